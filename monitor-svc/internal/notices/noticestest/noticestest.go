// Package noticestest writes to Redis what a proposer stores there before it notifies a monitor that there is no preblock.
package noticestest

import (
	"testing"

	"blindseq/kit/redistest"
)

// Ending makes a request the one that is ending.
func Ending(t testing.TB, r redistest.Redis, id string) {
	t.Helper()
	if err := r.Client.Set(t.Context(), redistest.Names.EndingRequest(), id, 0).Err(); err != nil {
		t.Fatal(err)
	}
}
