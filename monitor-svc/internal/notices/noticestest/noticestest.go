// Package noticestest puts into Redis what a proposer has there when it tells a monitor that there is no preblock.
package noticestest

import (
	"fmt"
	"testing"

	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
)

// Ending makes a request the current one, and ending.
func Ending(t testing.TB, r redistest.Redis, id string) {
	t.Helper()
	InState(t, r, id, rediskeys.ProposerEnding)
}

// InState makes a request the current one, in a state.
func InState(t testing.TB, r redistest.Redis, id string, state int) {
	t.Helper()
	pipe := r.Client.TxPipeline()
	pipe.HSet(t.Context(), rediskeys.ProposerState(), "current", id)
	pipe.HSet(t.Context(), rediskeys.ProposerRequests(), id, fmt.Sprintf(`{"id":%q,"state":%d}`, id, state))
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}
