// Package backpressure decides which blueprints to push to the rollup, and when production waits for it. It is a pure state
// machine that package publish drives.
//
//	event                  effect
//	Applied                push it, unless a push is under way; lock the pool when the rollup is too far behind
//	Accepted, Refused      push the next; after a refusal wait for the next look
//	Seen (a look at the    push again what it misses when that is more than Lag or when it makes no progress, at most
//	rollup succeeded)      CatchUp blueprints, and then leave it Cooldown blocks of layer 1; unlock the pool when it has
//	                       been near for Cooldown of them
//
// A look that fails is no event: what is not known to be published is not published.
package backpressure

import (
	"errors"
	"fmt"
)

// Limits are those of back-pressure, counted in blueprints.
type Limits struct {
	Lag      uint64 // more than these are missing: push again
	Ahead    uint64 // more than these are missing: lock the pool, until no more than Lag are
	CatchUp  uint64 // how many are pushed again at a time
	Cooldown uint64 // blocks of layer 1 between two catch-ups, and before the pool is unlocked
}

// patience is how many blocks of layer 1 a rollup may stand still while it misses something. It takes two or three from a
// push to the rollup's execution.
const patience = 10

// State is what the machine knows. Begin makes the first; the zero value is that of a producer that does not lead.
type State struct {
	Limits Limits

	Applied   uint64 // the last applied blueprint
	Accepted  uint64 // the rollup node has taken all up to here
	Confirmed uint64 // the rollup has executed all up to here
	Locked    bool   // the pool must be locked

	Level    uint64 // of layer 1, at the last look
	Cooldown uint64 // blocks of layer 1 until the next catch-up may begin
	Near     bool   // no more than Lag were missing at a look, nor since
	Calm     uint64 // blocks of layer 1 that have passed since
	Still    uint64 // blocks of layer 1 that the rollup has missed something and executed nothing, since it was pushed again
	Heard    bool   // a look has succeeded
	Waiting  bool   // a push was refused: wait for the next look
	Pushing  bool
	Again    Push // a catch-up that waits for the push under way; none when To is 0
}

// Event is what happened.
type Event interface{ event() }

// The events.
type (
	// Applied tells the last applied blueprint.
	Applied struct{ Number uint64 }
	// Accepted ends a push: the rollup node has taken all of it.
	Accepted struct{ To uint64 }
	// Refused ends a push that failed after blueprint To.
	Refused struct{ To uint64 }
	// Seen tells the rollup's last blueprint, at a level of layer 1.
	Seen struct{ Level, Confirmed uint64 }
)

func (Applied) event()  {}
func (Accepted) event() {}
func (Refused) event()  {}
func (Seen) event()     {}

// Effect is something for the driver to do: Push is the only one.
type Effect interface{ effect() }

// Push pushes blueprints From to To, in order. Accepted or Refused follows.
type Push struct{ From, To uint64 }

func (Push) effect() {}

// ErrUnexpected is the end of a push while none is under way, or an event of another type.
var ErrUnexpected = errors.New("event does not fit the state of back-pressure")

// Begin is the state of a producer that begins to lead. It has not heard of the rollup, so that everything counts as
// missing.
func Begin(applied uint64, l Limits) State {
	return State{Limits: l, Applied: applied, Waiting: true, Locked: applied > l.Ahead}
}

// Behind is how many applied blueprints the rollup is not known to have.
func (s State) Behind() uint64 { return s.Applied - min(s.Applied, s.Confirmed) }

// Next is the transition table: the state after an event, and at most one push. On an error the state is the one before.
func Next(s State, e Event) (State, []Effect, error) {
	before := s
	switch e := e.(type) {
	case Applied:
		s.Applied = max(s.Applied, e.Number)
	case Accepted:
		s.Pushing, s.Accepted = false, max(s.Accepted, e.To)
	case Refused:
		s.Pushing, s.Waiting, s.Accepted = false, true, max(s.Accepted, e.To)
	case Seen:
		s = s.seen(e)
	default:
		return before, nil, fmt.Errorf("%w: %T", ErrUnexpected, e)
	}
	if ended := before.Pushing && !s.Pushing; !ended && isEnd(e) {
		return before, nil, fmt.Errorf("%w: %T while nothing is pushed", ErrUnexpected, e)
	}
	s, push := s.lock().push()
	return s, push, nil
}

func isEnd(e Event) bool {
	switch e.(type) {
	case Accepted, Refused:
		return true
	}
	return false
}

func (s State) seen(e Seen) State {
	l := s.Limits
	passed := e.Level - min(s.Level, e.Level)
	if s.Still += passed; !s.Heard || s.Behind() == 0 || e.Confirmed != s.Confirmed {
		s.Still = 0
	}
	s.Level, s.Confirmed, s.Waiting = max(s.Level, e.Level), e.Confirmed, false
	s.Accepted = max(s.Accepted, min(e.Confirmed, s.Applied))
	s.Cooldown -= min(s.Cooldown, passed)
	if s.Behind() > l.Lag || s.Still > patience {
		s = s.catchUp()
	}
	switch {
	case s.Behind() > l.Lag:
	case !s.Heard: // it has been near for as long as this process can know
		s.Near, s.Calm = true, l.Cooldown
	case s.Near:
		s.Calm += passed
	default:
		s.Near, s.Calm = true, 0
	}
	s.Heard = true
	return s
}

// catchUp pushes again what was taken once and is not shown. What was never taken is pushed anyway.
func (s State) catchUp() State {
	l := s.Limits
	last := min(s.Accepted, s.Confirmed+l.CatchUp)
	if s.Cooldown > 0 || last <= s.Confirmed {
		return s
	}
	s.Again, s.Cooldown, s.Still = Push{From: s.Confirmed + 1, To: last}, l.Cooldown, 0
	return s
}

// lock locks at once, and unlocks late: a rollup that is near for a moment would lock the pool again with the next block.
func (s State) lock() State {
	l := s.Limits
	s.Near = s.Near && s.Behind() <= l.Lag
	switch {
	case s.Behind() > l.Ahead:
		s.Locked = true
	case s.Near && s.Calm >= l.Cooldown:
		s.Locked = false
	}
	return s
}

func (s State) push() (State, []Effect) {
	if s.Pushing || s.Waiting {
		return s, nil
	}
	next := s.Again
	if s.Again = (Push{}); next.To == 0 {
		next = Push{From: s.Accepted + 1, To: min(s.Applied, s.Accepted+s.Limits.CatchUp)}
	}
	if next.From > next.To {
		return s, nil
	}
	s.Pushing = true
	return s, []Effect{next}
}
