// Package round is the decision of one blueprint number with the keyholders as a state machine: no clock, no network, no
// goroutine. Next is the transition table; package rounds drives it.
//
//	phase      event                                        next       effects
//	attesting  Attested, fewer than a quorum                attesting  -
//	attesting  Attested, a quorum                           locking    Certify
//	attesting  Shown                                        locking    -
//	attesting  Shown, final                                 opening    -
//	locking    Locked, fewer than a quorum                  locking    -
//	locking    Locked, a quorum                             opening    Finalize
//	locking    Shown, final                                 opening    -
//	opening    nothing is sealed                            decided    Decide
//	opening    Answered, fewer than a threshold             opening    -
//	opening    Answered, a threshold                        opening    Open
//	opening    Waited                                       opening    Open with those left out, when they make a threshold
//	opening    Opened, everything                           decided    Decide
//	opening    Opened, something failed                     proving    Prove
//	proving    Proven, and a threshold with the right ones  proving    Check
//	proving    Checked, a threshold is right                decided    Decide
//	proving    Checked, some are wrong                      proving    Check of others, when they make a threshold
//	any        Attested, Shown, Locked, Waited or Answered again or late  same  -
//	decided    Proven                                       decided    -
//
// Shares are asked for when the content is final, that is certified and locked by a quorum, and never before. With nothing
// sealed the locks decide.
//
// Bare shares are cheap and say nothing about themselves: the opening shows whether they are right. Where it fails, shares
// with proof decide what the right outcome is. Keyholders whose shares were wrong before are left out of an opening while
// others make a threshold without them, until Waited says that these do not come.
package round

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrUnexpected says that the driver broke the order of events; nothing was changed.
var ErrUnexpected = errors.New("event does not fit the state of the round")

// Set is a set of authorities. The zero value is empty.
type Set [4]uint64

// With returns the set with one more.
func (s Set) With(a uint8) Set { s[a/64] |= 1 << (a % 64); return s }

// Has tells whether an authority is in the set.
func (s Set) Has(a uint8) bool { return s[a/64]&(1<<(a%64)) != 0 }

// Len is how many there are.
func (s Set) Len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// And returns those in both.
func (s Set) And(t Set) Set {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

// Or returns those in either.
func (s Set) Or(t Set) Set {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

// Without returns those not in t.
func (s Set) Without(t Set) Set {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

// First returns the n smallest, or all when there are fewer.
func (s Set) First(n int) (out Set) {
	for _, a := range s.All()[:min(n, s.Len())] {
		out = out.With(a)
	}
	return out
}

// All returns the authorities, ascending.
func (s Set) All() []uint8 {
	var out []uint8
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			out = append(out, uint8(i*64+bits.TrailingZeros64(w)))
		}
	}
	return out
}

// Phase is how far a round is.
type Phase int

const (
	Attesting Phase = iota // fewer than a quorum attested
	Locking                // certified; fewer than a quorum locked
	Opening                // final; nothing was opened yet
	Proving                // something did not open; fewer than Threshold proven shares
	Decided
)

func (p Phase) String() string {
	return [...]string{"attesting", "locking", "opening", "proving", "decided"}[p]
}

// State of one round.
type State struct {
	Quorum, Threshold int

	phase    Phase
	attested Set
	locked   Set
	sealed   bool // the content has sealed transactions
	leftOut  Set  // used in an opening only if the others are too few
	answered Set  // those whose bare shares came
	opening  Set  // those whose bare shares are being combined

	waiting  Set // proven shares that are not checked yet
	checking Set // proven shares being checked
	right    Set
}

// New is the state of a round that begins. sealed says whether its content has anything to open, leftOut whose shares were
// wrong before.
func New(quorum, threshold int, sealed bool, leftOut Set) State {
	return State{Quorum: quorum, Threshold: threshold, sealed: sealed, leftOut: leftOut}
}

// Phase is how far the round is.
func (s State) Phase() Phase { return s.phase }

// Attested are those whose attestation came.
func (s State) Attested() Set { return s.attested }

// Locked are those whose lock came.
func (s State) Locked() Set { return s.locked }

// Proven are those whose shares with proof are right.
func (s State) Proven() Set { return s.right }

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Attested says that an authority's attestation came and is valid.
	Attested struct{ By uint8 }
	// Shown says that a certificate came from a keyholder that holds it: it was made in a round before a crash. Final says
	// that it has the locks of a quorum.
	Shown struct{ Final bool }
	// Locked says that an authority's lock came and is valid.
	Locked struct{ By uint8 }
	// Answered says that an authority's bare shares came; whether they are right is not known.
	Answered struct{ By uint8 }
	// Waited says that the keyholders left out are needed: the others do not answer.
	Waited struct{}
	// Opened ends an Open. Failed is how many transactions did not open.
	Opened struct{ Failed int }
	// Proven says that an authority's shares with proof came; whether they are right is not known.
	Proven struct{ By uint8 }
	// Checked ends a Check: these were wrong, the others right.
	Checked struct{ Wrong Set }
)

func (Attested) event() {}
func (Shown) event()    {}
func (Locked) event()   {}
func (Answered) event() {}
func (Waited) event()   {}
func (Opened) event()   {}
func (Proven) event()   {}
func (Checked) event()  {}

// An Effect is something for the driver to do: one of the types below.
type Effect interface{ effect() }

type (
	// Certify makes the certificate from these attestations; keyholders are asked to lock from now on.
	Certify struct{ By Set }
	// Finalize adds these locks to the certificate; keyholders may be asked for shares from now on.
	Finalize struct{ By Set }
	// Open combines the bare shares of these, opens everything and seals it again; Opened follows.
	Open struct{ With Set }
	// Prove asks everybody for shares with proof of what did not open.
	Prove struct{}
	// Check checks the proofs of these; Checked follows.
	Check struct{ Of Set }
	// Decide ends the round, with the proven shares of these for what did not open; of nobody when everything opened.
	Decide struct{ Proven Set }
)

func (Certify) effect()  {}
func (Finalize) effect() {}
func (Open) effect()     {}
func (Prove) effect()    {}
func (Check) effect()    {}
func (Decide) effect()   {}

// Next is the transition table: the state after an event, and what to do. On an error the state is the one before.
func Next(s State, e Event) (State, []Effect, error) {
	next, err := s.take(e)
	if err != nil {
		return s, nil, err
	}
	var effects []Effect
	if next.phase == Attesting && next.attested.Len() >= next.Quorum {
		next.phase = Locking
		effects = append(effects, Certify{next.attested})
	}
	if next.phase == Locking && next.locked.Len() >= next.Quorum {
		next.phase = Opening
		effects = append(effects, Finalize{next.locked})
	}
	if o, ok := e.(Opened); ok {
		effects = append(effects, o.then())
	}
	next, more := next.proceed()
	return next, append(effects, more...), nil
}

// take notes an event.
func (s State) take(e Event) (State, error) {
	switch e := e.(type) {
	case Attested:
		s.attested = s.attested.With(e.By)
	case Shown:
		s.phase = max(s.phase, e.phase())
	case Locked:
		if s.phase == Attesting {
			return s, fmt.Errorf("%w: a lock before the certificate", ErrUnexpected)
		}
		s.locked = s.locked.With(e.By)
	case Answered:
		if s.phase < Opening {
			return s, fmt.Errorf("%w: shares before the content is final", ErrUnexpected)
		}
		s.answered = s.answered.With(e.By)
	case Waited:
		s.leftOut = Set{}
	case Opened:
		return s.opened(e.Failed)
	case Proven:
		if s.phase != Proving && s.phase != Decided {
			return s, fmt.Errorf("%w: shares with proof, %s", ErrUnexpected, s.phase)
		}
		if !s.right.Or(s.checking).Has(e.By) {
			s.waiting = s.waiting.With(e.By)
		}
	case Checked:
		if s.checking == (Set{}) || e.Wrong.Without(s.checking) != (Set{}) {
			return s, fmt.Errorf("%w: checked %v", ErrUnexpected, e.Wrong.All())
		}
		s.right, s.checking = s.right.Or(s.checking.Without(e.Wrong)), Set{}
	default:
		return s, fmt.Errorf("%w: %T", ErrUnexpected, e)
	}
	return s, nil
}

func (s State) opened(failed int) (State, error) {
	if s.opening == (Set{}) || failed < 0 {
		return s, fmt.Errorf("%w: opened with %d failures, %s", ErrUnexpected, failed, s.phase)
	}
	s.opening, s.phase = Set{}, Decided
	if failed > 0 {
		s.phase = Proving
	}
	return s, nil
}

// phase is the one that a certificate leads to.
func (s Shown) phase() Phase {
	if s.Final {
		return Opening
	}
	return Locking
}

func (o Opened) then() Effect {
	if o.Failed > 0 {
		return Prove{}
	}
	return Decide{}
}

// proceed does what can be done now.
func (s State) proceed() (State, []Effect) {
	switch {
	case s.phase == Opening && !s.sealed:
		s.phase = Decided
		return s, []Effect{Decide{}}
	case s.phase == Opening && s.opening == (Set{}):
		if with := s.answered.Without(s.leftOut); with.Len() >= s.Threshold {
			s.opening = with.First(s.Threshold)
			return s, []Effect{Open{s.opening}}
		}
	case s.phase == Proving && s.checking == (Set{}):
		return s.prove()
	}
	return s, nil
}

// prove decides with enough right shares, or checks those that came when they may be enough.
func (s State) prove() (State, []Effect) {
	switch {
	case s.right.Len() >= s.Threshold:
		s.phase = Decided
		return s, []Effect{Decide{s.right.First(s.Threshold)}}
	case s.right.Or(s.waiting).Len() >= s.Threshold:
		s.checking, s.waiting = s.waiting, Set{}
		return s, []Effect{Check{s.checking}}
	}
	return s, nil
}
