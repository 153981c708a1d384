package queue

import (
	"errors"
	"fmt"
)

// ErrUnexpected is wrapped by the errors of events that have no meaning in the state.
var ErrUnexpected = errors.New("not possible now")

// Why an event is refused. A refused event changes nothing.
var (
	ErrFull       = errors.New("the FIFO of proposal requests is full")
	ErrBusy       = fmt.Errorf("%w: another request is current", ErrUnexpected)
	ErrNotHead    = fmt.Errorf("%w: not the first of the FIFO", ErrUnexpected)
	ErrNotCurrent = fmt.Errorf("%w: not the current request", ErrUnexpected)
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
	next(State) (transition, error)
}

// Next returns the state that an event leads to, and what the store is to change: all of it or nothing. The request the
// event is about, as it stands afterwards, is the Known of the new state. The lease is for the store to check, in the same
// atomic step in which it applies the effects.
func Next(s State, e Event) (State, []Effect, error) {
	t, err := e.next(s)
	if err != nil {
		return s, nil, fmt.Errorf("%s request %q: %w", name(e), e.Subject(), err)
	}
	return s.after(t), t.effects, nil
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
	case Refuse:
		return "refuse"
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
