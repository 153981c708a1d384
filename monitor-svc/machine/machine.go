// Package machine shows the monitor's merge to the simulator (blindseq/e2e/sim), which runs the very same machine as the
// service. It lives in an internal package, as nobody else is to build on it; everything here is a name for something there.
package machine

import (
	"blindseq/monitor-svc/internal/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// The merge; see package merge.
type (
	Machine       = merge.Machine
	Limits        = merge.Limits
	Outcome       = merge.Outcome
	Ended         = merge.Ended
	Input         = merge.Input
	Started       = merge.Started
	Arrived       = merge.Arrived
	NoPreblock    = merge.NoPreblock
	Wait          = merge.Wait
	Gone          = merge.Gone
	Broken        = merge.Broken
	Stopped       = merge.Stopped
	Effect        = merge.Effect
	Answer        = merge.Answer
	Fetch         = merge.Fetch
	Advanced      = merge.Advanced
	Dropped       = merge.Dropped
	Contradiction = merge.Contradiction
	Halted        = merge.Halted
)

// New returns a machine that has seen nothing.
func New(l Limits) *Machine { return merge.New(l) }

// Verify checks a preblock by itself.
func Verify(p *preblockv1.Preblock) (Arrived, error) { return merge.Verify(p) }
