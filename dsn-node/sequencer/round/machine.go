// Package round is the decision of one blueprint number with the keyholders as a state machine: no clock, no network, no
// goroutine. Next is the transition table; package rounds drives it.
//
//	phase      event                                    next       effects
//	attesting  Attested, fewer than a quorum            attesting  -
//	attesting  Attested, a quorum                       opening    Certify
//	attesting  Shown                                    opening    -
//	attesting  Planned                                  attesting  -
//	opening    nothing is to be opened                  decided    Decide
//	opening    Answered, and enough answers with those  opening    Check
//	opening    Checked, enough are right                decided    Decide
//	opening    Checked, some are wrong                  opening    Check of others, when there are enough
//	any        Attested or Shown again or late                   same       -
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
	Opening                // certified; fewer than Threshold right shares
	Decided
)

func (p Phase) String() string {
	return [...]string{"attesting", "opening", "decided"}[p]
}

// State of one round.
type State struct {
	Quorum, Threshold int

	phase    Phase
	attested Set
	planned  bool // it is known how many bundles are opened
	open     int
	waiting  Set // answers that are not checked yet
	checking Set // answers being checked
	right    Set
}

// New is the state of a round that begins. Without bundles there is nothing to plan.
func New(quorum, threshold int, bundles bool) State {
	return State{Quorum: quorum, Threshold: threshold, planned: !bundles}
}

// Phase is how far the round is.
func (s State) Phase() Phase { return s.phase }

// Attested are those whose attestation came.
func (s State) Attested() Set { return s.attested }

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Attested says that an authority's attestation came and is valid.
	Attested struct{ By uint8 }
	// Shown says that a certificate came from one who adopted it: it was made in a round before a crash.
	Shown struct{}
	// Planned says how many bundles are to be opened.
	Planned struct{ Open int }
	// Answered says that an authority's shares came; whether they are right is not known.
	Answered struct{ By uint8 }
	// Checked ends a Check: these were wrong, the others right.
	Checked struct{ Wrong Set }
)

func (Attested) event() {}
func (Shown) event()    {}
func (Planned) event()  {}
func (Answered) event() {}
func (Checked) event()  {}

// An Effect is something for the driver to do: one of the types below.
type Effect interface{ effect() }

type (
	// Certify makes the certificate from these attestations; keyholders may be asked for shares from now on.
	Certify struct{ By Set }
	// Check checks the answers of these; Checked follows.
	Check struct{ Of Set }
	// Decide ends the round, with the shares of these; of nobody when there is nothing to open.
	Decide struct{ From Set }
)

func (Certify) effect() {}
func (Check) effect()   {}
func (Decide) effect()  {}

// Next is the transition table: the state after an event, and what to do. On an error the state is the one before.
func Next(s State, e Event) (State, []Effect, error) {
	before := s
	var effects []Effect
	switch e := e.(type) {
	case Attested:
		s.attested = s.attested.With(e.By)
	case Shown:
		if s.phase == Attesting {
			s.phase = Opening
		}
	case Planned:
		if s.planned || e.Open < 0 {
			return before, nil, fmt.Errorf("%w: planned %d, %s", ErrUnexpected, e.Open, s.phase)
		}
		s.planned, s.open = true, e.Open
	case Answered:
		if s.phase == Attesting {
			return before, nil, fmt.Errorf("%w: shares before the certificate", ErrUnexpected)
		}
		if !s.right.Or(s.checking).Has(e.By) {
			s.waiting = s.waiting.With(e.By)
		}
	case Checked:
		if s.checking == (Set{}) || e.Wrong.Without(s.checking) != (Set{}) {
			return before, nil, fmt.Errorf("%w: checked %v", ErrUnexpected, e.Wrong.All())
		}
		s.right, s.checking = s.right.Or(s.checking.Without(e.Wrong)), Set{}
	default:
		return before, nil, fmt.Errorf("%w: %T", ErrUnexpected, e)
	}
	if s.phase == Attesting && s.attested.Len() >= s.Quorum {
		s.phase = Opening
		effects = append(effects, Certify{s.attested})
	}
	s, more := s.goOn()
	return s, append(effects, more...), nil
}

// goOn does what a certified and planned round can do now.
func (s State) goOn() (State, []Effect) {
	if s.phase != Opening || !s.planned || s.checking != (Set{}) {
		return s, nil
	}
	switch {
	case s.open == 0:
		s.phase = Decided
		return s, []Effect{Decide{}}
	case s.right.Len() >= s.Threshold:
		s.phase = Decided
		return s, []Effect{Decide{s.right}}
	case s.right.Or(s.waiting).Len() >= s.Threshold:
		s.checking, s.waiting = s.waiting, Set{}
		return s, []Effect{Check{s.checking}}
	}
	return s, nil
}
