// Package order is the sequencer's decision, as a state machine without clocks, disks or goroutines: which proposal
// is taken for a number, and when its preblock is fixed.
//
//	state     event                        next state  effects
//	idle      Submitted(next number)       idle        StoreProposal
//	idle      ProposalStored               accepted    -
//	accepted  Due                          accepted    StorePreblock
//	accepted  PreblockStored               idle, +1    Publish
//	any       Submitted(number known)      same        AnswerAccepted
//	any       Submitted(any other)         same        ErrNotNext
//	idle      Due                          same        -
//
// It guarantees: one proposal for a number, for ever; numbers without a gap; a preblock only for a proposal that is
// durable; n + 1 is not taken before preblock n is fixed. Accepting a proposal and fixing its preblock are two steps,
// each durable before the next, because whatever decides the preblock (attestation, decryption) stands between them.
//
// It asks of its driver: to carry out the effects in order, to report each Store effect with its event only when it
// is durable, and to give it no other event in between. A Store effect that fails is never reported, and the driver
// stops.
package order

import (
	"errors"
	"fmt"
)

var (
	// ErrNotNext says that a proposal's number is neither known nor the one that can be taken now.
	ErrNotNext = errors.New("number is not the next one")
	// ErrUnexpected says that the driver broke the order of events; nothing was changed.
	ErrUnexpected = errors.New("event does not fit the state")
)

// State is what has been decided. The zero value is not usable: see New and Recovered.
type State struct {
	first uint64 // the oldest number known
	fixed uint64 // the last number whose preblock is fixed, first-1 before any
	open  bool   // the proposal fixed+1 is durable, its preblock is not
}

// New is the state of a sequencer that has decided nothing yet and takes first as its first number.
func New(first uint64) State { return State{first: first, fixed: first - 1} }

// Recovered is the state of a sequencer whose durable proposals are first to accepted, and whose durable preblocks
// reach to fixed: accepted, or the one before.
func Recovered(first, accepted, fixed uint64) (State, error) {
	if first == 0 || accepted < first || fixed > accepted || accepted-fixed > 1 {
		return State{}, fmt.Errorf("recover proposals %d to %d, preblocks up to %d: %w", first, accepted, fixed, ErrUnexpected)
	}
	return State{first: first, fixed: fixed, open: fixed < accepted}, nil
}

// Fixed is the last number whose preblock is fixed, 0 before the first of a new chain.
func (s State) Fixed() uint64 { return s.fixed }

// Accepted is the last number whose proposal is accepted.
func (s State) Accepted() uint64 {
	if s.open {
		return s.fixed + 1
	}
	return s.fixed
}

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Submitted is a proposal that came in.
	Submitted struct{ Number uint64 }
	// ProposalStored says that the StoreProposal of this number is durable.
	ProposalStored struct{ Number uint64 }
	// Due says that the accepted proposal, if there is one, may become a preblock now.
	Due struct{}
	// PreblockStored says that the StorePreblock of this number is durable.
	PreblockStored struct{ Number uint64 }
)

func (Submitted) event()      {}
func (ProposalStored) event() {}
func (Due) event()            {}
func (PreblockStored) event() {}

// An Effect is something for the driver to do: one of the types below.
type Effect interface{ effect() }

type (
	// AnswerAccepted answers a submission with what was accepted for the number earlier.
	AnswerAccepted struct{ Number uint64 }
	// StoreProposal makes the submitted proposal durable; it is accepted then, and not before.
	StoreProposal struct{ Number uint64 }
	// StorePreblock decides the preblock of the accepted proposal and makes it durable.
	StorePreblock struct{ Number uint64 }
	// Publish shows a preblock to readers and streams. It will never change.
	Publish struct{ Number uint64 }
)

func (AnswerAccepted) effect() {}
func (StoreProposal) effect()  {}
func (StorePreblock) effect()  {}
func (Publish) effect()        {}

// Next is the transition table: the state after an event, and what to do. On an error the state is the one before.
func Next(s State, e Event) (State, []Effect, error) {
	switch e := e.(type) {
	case Submitted:
		return submitted(s, e.Number)
	case ProposalStored:
		if s.open || e.Number != s.fixed+1 {
			return s, nil, fmt.Errorf("proposal %d stored, %s: %w", e.Number, s, ErrUnexpected)
		}
		s.open = true
		return s, nil, nil
	case Due:
		if !s.open {
			return s, nil, nil
		}
		return s, []Effect{StorePreblock{s.fixed + 1}}, nil
	case PreblockStored:
		if !s.open || e.Number != s.fixed+1 {
			return s, nil, fmt.Errorf("preblock %d stored, %s: %w", e.Number, s, ErrUnexpected)
		}
		s.fixed, s.open = e.Number, false
		return s, []Effect{Publish{s.fixed}}, nil
	}
	return s, nil, fmt.Errorf("event %T: %w", e, ErrUnexpected)
}

func submitted(s State, number uint64) (State, []Effect, error) {
	switch {
	case number >= s.first && number <= s.Accepted():
		return s, []Effect{AnswerAccepted{number}}, nil
	case number == s.fixed+1:
		return s, []Effect{StoreProposal{number}}, nil
	}
	return s, nil, fmt.Errorf("%w: %s", ErrNotNext, s)
}

// String says what the state waits for, for errors.
func (s State) String() string {
	if s.open {
		return fmt.Sprintf("preblock %d is not fixed yet", s.fixed+1)
	}
	return fmt.Sprintf("expected %d", s.fixed+1)
}
