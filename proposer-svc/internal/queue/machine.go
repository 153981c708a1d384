package queue

import (
	"errors"
	"fmt"
)

// Errors of events that are not possible now. None of them changes anything.
var (
	ErrFull       = errors.New("the FIFO of proposal requests is full")
	ErrBusy       = errors.New("another request is current")
	ErrNotHead    = errors.New("not the first of the FIFO")
	ErrNotCurrent = errors.New("not the current request")
	ErrNotActive  = errors.New("not the active proposer any more")
	ErrNoReason   = errors.New("a request cannot end without a preblock and without a reason")
	ErrNoNumber   = errors.New("blueprint number 0, the first is 1")
)

// Event is something that happens to the FIFO.
type Event interface {
	// Subject is the id of the request the event is about; it may be empty for Applied.
	Subject() string
	// Lease is the fencing token of the active proposer; needed is false for events of any replica.
	Lease() (token uint64, needed bool)
	step(View, Limits) (Transition, error)
}

// Step returns what an event leads to. It does not change the view. The lease is for the store to check, in the same
// atomic step in which it applies the effects.
func Step(v View, e Event, l Limits) (Transition, error) {
	t, err := e.step(v, l)
	if err != nil {
		return Transition{}, fmt.Errorf("%s request %q: %w", name(e), e.Subject(), err)
	}
	return t, nil
}

func name(e Event) string {
	switch e.(type) {
	case Enqueue:
		return "enqueue"
	case Start:
		return "start"
	case Retry:
		return "retry"
	case Decline:
		return "decline"
	case Displace:
		return "displace"
	case Announced:
		return "finish"
	case Applied:
		return "finish applied"
	}
	return "event of"
}

// anyReplica is embedded by events that need no lease.
type anyReplica struct{}

func (anyReplica) Lease() (uint64, bool) { return 0, false }

// By is embedded by the events that only the active proposer causes.
type By struct{ Token uint64 }

// Lease implements Event.
func (b By) Lease() (uint64, bool) { return b.Token, true }
