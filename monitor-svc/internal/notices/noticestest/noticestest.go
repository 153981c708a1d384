// Package noticestest puts into Redis what a proposer has there when it tells a monitor that there is no preblock.
package noticestest

import (
	"testing"

	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
)

// Ending makes a request the one that is ending.
func Ending(t testing.TB, r redistest.Redis, id string) {
	t.Helper()
	if err := r.Client.Set(t.Context(), rediskeys.EndingRequest(), id, 0).Err(); err != nil {
		t.Fatal(err)
	}
}
