// Package machine shows the proposer's state machines to the simulator (blindseq/e2e/sim), which runs the very same
// functions as the service: the FIFO of requests and the term of the active proposer. They live in internal packages, as
// nobody else is to build on them; everything here is a name for something there.
package machine

import (
	"time"

	"blindseq/proposer-svc/internal/queue"
	"blindseq/proposer-svc/internal/submit"
)

// The FIFO; see package queue.
type (
	Memory    = queue.Memory
	Limits    = queue.Limits
	Request   = queue.Request
	FIFOEvent = queue.Event
	Enqueue   = queue.Enqueue
	Start     = queue.Start
	Decline   = queue.Decline
	Retry     = queue.Retry
	Displace  = queue.Displace
	Announced = queue.Announced
	Applied   = queue.Applied
)

// The states of a request, and why an event of a former active proposer is refused.
const (
	Queued    = queue.Queued
	Ending    = queue.Ending
	InFlight  = queue.InFlight
	Processed = queue.Processed
)

// ErrNotActive is why an event of a former active proposer is refused.
var ErrNotActive = queue.ErrNotActive

// NewMemory returns an empty FIFO.
func NewMemory(l Limits) *Memory { return queue.NewMemory(l) }

// The term of the active proposer; see package submit.
type (
	Term      = submit.State
	Effect    = submit.Effect
	Look      = submit.Look
	Sleep     = submit.Sleep
	Ask       = submit.Ask
	Probe     = submit.Probe
	Find      = submit.Find
	Record    = submit.Record
	Submit    = submit.Submit
	Tell      = submit.Tell
	Event     = submit.Event
	Seen      = submit.Seen
	Woken     = submit.Woken
	Content   = submit.Content
	Probed    = submit.Probed
	Found     = submit.Found
	Recorded  = submit.Recorded
	Submitted = submit.Submitted
	Told      = submit.Told
	Failed    = submit.Failed
)

// Begin is the state of a new term.
func Begin(token uint64, attemptTimeout time.Duration) Term {
	return submit.Begin(token, attemptTimeout)
}
