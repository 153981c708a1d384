package round

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

func set(authorities ...uint8) (s Set) {
	for _, a := range authorities {
		s = s.With(a)
	}
	return s
}

func TestSetsHoldEveryAuthority(t *testing.T) {
	s := set(0, 63, 64, 200, 255)
	if got := s.All(); !reflect.DeepEqual(got, []uint8{0, 63, 64, 200, 255}) || s.Len() != 5 {
		t.Fatalf("got %v", got)
	}
	if !s.Has(200) || s.Has(201) || s.Without(set(0, 255)) != set(63, 64, 200) || s.And(set(64, 65)) != set(64) || s.Or(set(1)).Len() != 6 ||
		s.First(2) != set(0, 63) || s.First(9) != s {
		t.Fatal("set operations")
	}
}

func TestTransitions(t *testing.T) {
	attesting := func(sealed bool, who ...uint8) State {
		return State{Quorum: 3, Threshold: 2, attested: set(who...), sealed: sealed}
	}
	at := func(phase Phase, change func(*State)) State {
		s := State{Quorum: 3, Threshold: 2, phase: phase, attested: set(0, 1, 2), sealed: true}
		change(&s)
		return s
	}
	same := func(*State) {}
	for _, c := range []struct {
		name    string
		state   State
		event   Event
		next    State
		effects []Effect
		err     error
	}{
		{"fewer than a quorum wait", attesting(true, 0), Attested{1}, attesting(true, 0, 1), nil, nil},
		{"the same one again counts once", attesting(true, 0, 1), Attested{1}, attesting(true, 0, 1), nil, nil},
		{"a quorum certifies", attesting(true, 0, 1), Attested{2}, at(Locking, same), []Effect{Certify{set(0, 1, 2)}}, nil},
		{"a quorum with nothing sealed certifies", attesting(false, 0, 1), Attested{2},
			at(Locking, func(s *State) { s.sealed = false }), []Effect{Certify{set(0, 1, 2)}}, nil},
		{"an attestation after the certificate changes nothing more", at(Opening, same), Attested{5},
			at(Opening, func(s *State) { s.attested = set(0, 1, 2, 5) }), nil, nil},
		{"a certificate that was made before takes the place of attestations", attesting(true, 0), Shown{},
			State{Quorum: 3, Threshold: 2, phase: Locking, attested: set(0), sealed: true}, nil, nil},
		{"a final certificate that was made before takes the place of locks", attesting(true, 0), Shown{Final: true},
			State{Quorum: 3, Threshold: 2, phase: Opening, attested: set(0), sealed: true}, nil, nil},
		{"a final certificate takes the place of locks that are missing", at(Locking, same), Shown{Final: true}, at(Opening, same), nil, nil},
		{"a final certificate with nothing sealed decides", attesting(false, 0), Shown{Final: true},
			State{Quorum: 3, Threshold: 2, phase: Decided, attested: set(0)}, []Effect{Decide{}}, nil},
		{"a certificate without locks shown late changes nothing", at(Opening, same), Shown{}, at(Opening, same), nil, nil},
		{"a certificate shown late changes nothing", at(Proving, same), Shown{Final: true}, at(Proving, same), nil, nil},

		{"fewer locks than a quorum wait", at(Locking, func(s *State) { s.locked = set(0) }), Locked{4},
			at(Locking, func(s *State) { s.locked = set(0, 4) }), nil, nil},
		{"the same lock again counts once", at(Locking, func(s *State) { s.locked = set(0, 4) }), Locked{4},
			at(Locking, func(s *State) { s.locked = set(0, 4) }), nil, nil},
		{"a quorum of locks makes it final", at(Locking, func(s *State) { s.locked = set(0, 4) }), Locked{1},
			at(Opening, func(s *State) { s.locked = set(0, 1, 4) }), []Effect{Finalize{set(0, 1, 4)}}, nil},
		{"a quorum of locks with nothing sealed decides", at(Locking, func(s *State) { s.locked, s.sealed = set(0, 4), false }), Locked{1},
			at(Decided, func(s *State) { s.locked, s.sealed = set(0, 1, 4), false }), []Effect{Finalize{set(0, 1, 4)}, Decide{}}, nil},
		{"attestations of everybody are no locks", at(Locking, same), Attested{5},
			at(Locking, func(s *State) { s.attested = set(0, 1, 2, 5) }), nil, nil},
		{"a lock is late", at(Proving, same), Locked{4}, at(Proving, func(s *State) { s.locked = set(4) }), nil, nil},

		{"too few answers wait", at(Opening, same), Answered{4}, at(Opening, func(s *State) { s.answered = set(4) }), nil, nil},
		{"enough answers are opened", at(Opening, func(s *State) { s.answered = set(4) }), Answered{1},
			at(Opening, func(s *State) { s.answered, s.opening = set(1, 4), set(1, 4) }), []Effect{Open{set(1, 4)}}, nil},
		{"one that was wrong before is left out", at(Opening, func(s *State) { s.answered, s.leftOut = set(4), set(1) }), Answered{1},
			at(Opening, func(s *State) { s.answered, s.leftOut = set(1, 4), set(1) }), nil, nil},
		{"others come in its place", at(Opening, func(s *State) { s.answered, s.leftOut = set(1, 4), set(1) }), Answered{6},
			at(Opening, func(s *State) { s.answered, s.leftOut, s.opening = set(1, 4, 6), set(1), set(4, 6) }), []Effect{Open{set(4, 6)}}, nil},
		{"it is used when others do not come", at(Opening, func(s *State) { s.answered, s.leftOut = set(1, 4), set(1) }), Waited{},
			at(Opening, func(s *State) { s.answered, s.opening = set(1, 4), set(1, 4) }), []Effect{Open{set(1, 4)}}, nil},
		{"waited without answers", at(Opening, func(s *State) { s.leftOut = set(1) }), Waited{}, at(Opening, same), nil, nil},
		{"an answer during the opening", at(Opening, func(s *State) { s.answered, s.opening = set(1, 4), set(1, 4) }), Answered{5},
			at(Opening, func(s *State) { s.answered, s.opening = set(1, 4, 5), set(1, 4) }), nil, nil},
		{"everything opens", at(Opening, func(s *State) { s.opening = set(1, 4) }), Opened{0}, at(Decided, same), []Effect{Decide{}}, nil},
		{"something does not open", at(Opening, func(s *State) { s.opening = set(1, 4) }), Opened{2}, at(Proving, same), []Effect{Prove{}}, nil},

		{"too few proofs wait", at(Proving, same), Proven{4}, at(Proving, func(s *State) { s.waiting = set(4) }), nil, nil},
		{"enough proofs are checked", at(Proving, func(s *State) { s.waiting = set(4) }), Proven{1},
			at(Proving, func(s *State) { s.checking = set(1, 4) }), []Effect{Check{set(1, 4)}}, nil},
		{"enough right ones decide", at(Proving, func(s *State) { s.checking = set(1, 4) }), Checked{},
			at(Decided, func(s *State) { s.right = set(1, 4) }), []Effect{Decide{set(1, 4)}}, nil},
		{"more than enough decide with a threshold", at(Proving, func(s *State) { s.right, s.checking = set(4), set(1, 5) }), Checked{},
			at(Decided, func(s *State) { s.right = set(1, 4, 5) }), []Effect{Decide{set(1, 4)}}, nil},
		{"a wrong one is waited for another", at(Proving, func(s *State) { s.checking = set(1, 4) }), Checked{set(4)},
			at(Proving, func(s *State) { s.right = set(1) }), nil, nil},
		{"one that came meanwhile is checked", at(Proving, func(s *State) { s.checking, s.waiting = set(1, 4), set(6) }), Checked{set(4)},
			at(Proving, func(s *State) { s.right, s.checking = set(1), set(6) }), []Effect{Check{set(6)}}, nil},
		{"a bare share is late", at(Proving, same), Answered{3}, at(Proving, func(s *State) { s.answered = set(3) }), nil, nil},
		{"a proof is late", at(Decided, same), Proven{3}, at(Decided, func(s *State) { s.waiting = set(3) }), nil, nil},
		{"waited is late", at(Decided, same), Waited{}, at(Decided, same), nil, nil},

		{"a lock before the certificate", attesting(true, 0), Locked{0}, attesting(true, 0), nil, ErrUnexpected},
		{"shares before the certificate", attesting(true, 0), Answered{0}, attesting(true, 0), nil, ErrUnexpected},
		{"shares before the locks", at(Locking, same), Answered{0}, at(Locking, same), nil, ErrUnexpected},
		{"proofs before the locks", at(Locking, same), Proven{0}, at(Locking, same), nil, ErrUnexpected},
		{"proofs before they are asked for", at(Opening, same), Proven{0}, at(Opening, same), nil, ErrUnexpected},
		{"opened without an opening", at(Opening, same), Opened{}, at(Opening, same), nil, ErrUnexpected},
		{"checked without a check", at(Proving, same), Checked{}, at(Proving, same), nil, ErrUnexpected},
		{"checked others", at(Proving, func(s *State) { s.checking = set(1, 4) }), Checked{set(2)},
			at(Proving, func(s *State) { s.checking = set(1, 4) }), nil, ErrUnexpected},
		{"no event", at(Opening, same), nil, at(Opening, same), nil, ErrUnexpected},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, effects, err := Next(c.state, c.event)
			if next != c.next || !reflect.DeepEqual(effects, c.effects) || !errors.Is(err, c.err) {
				t.Fatalf("got %+v, %v, %v", next, effects, err)
			}
		})
	}
}

// lottery runs a round of seven keyholders, some of them liars, who answer in random order and repeat what was wrong. A liar's
// bare share spoils the opening; garbage does not open with any shares.
type lottery struct {
	t       *testing.T
	seed    uint64
	state   State
	liars   Set
	garbage bool

	certified, final, failed bool
	decided                  int
}

func (l *lottery) give(e Event) {
	l.t.Helper()
	next, effects, err := Next(l.state, e)
	if err != nil {
		l.t.Fatalf("seed %d: %T: %v", l.seed, e, err)
	}
	l.state = next
	for _, effect := range effects {
		l.carryOut(effect)
	}
}

func (l *lottery) carryOut(e Effect) {
	l.t.Helper()
	switch e := e.(type) {
	case Certify:
		if l.certified || e.By.Len() < 5 {
			l.t.Fatalf("seed %d: certified by %v", l.seed, e.By.All())
		}
		l.certified = true
	case Finalize:
		if !l.certified || l.final || e.By.Len() < 5 {
			l.t.Fatalf("seed %d: final by %v", l.seed, e.By.All())
		}
		l.final = true
	case Open:
		if !l.final || e.With.Len() != 5 {
			l.t.Fatalf("seed %d: opened with %v", l.seed, e.With.All())
		}
		if l.failed = l.garbage || e.With.And(l.liars) != (Set{}); l.failed {
			l.give(Opened{1})
		} else {
			l.give(Opened{0})
		}
	case Check:
		l.give(Checked{e.Of.And(l.liars)})
	case Decide:
		l.decided++
		if !l.final {
			l.t.Fatalf("seed %d: decided and not final", l.seed)
		}
		if l.state.sealed && l.failed && (e.Proven.Len() != 5 || e.Proven.And(l.liars) != (Set{})) {
			l.t.Fatalf("seed %d: decided from %v", l.seed, e.Proven.All())
		}
	}
}

func TestAnyOrderOfAnswersDecidesOnceWithEnoughRightOnes(t *testing.T) {
	proofs := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		var liars, leftOut Set
		for liars.Len() < int(seed%3) {
			liars = liars.With(uint8(r.IntN(7)))
		}
		if r.IntN(2) == 0 {
			leftOut = liars
		}
		sealed := r.IntN(4) > 0
		l := &lottery{t: t, seed: seed, state: New(5, 5, sealed, leftOut), liars: liars, garbage: r.IntN(4) == 0}
		for range 600 {
			a := uint8(r.IntN(7))
			switch k := r.IntN(8); {
			case k < 3:
				l.give(Attested{a})
			case k == 3 && r.IntN(20) == 0:
				l.give(Waited{})
			case k < 6 && l.final:
				l.give(Answered{a})
			case l.certified && !l.final:
				l.give(Locked{a})
			case l.state.Phase() == Proving:
				l.give(Proven{a})
			}
		}
		if l.decided != 1 || l.state.Phase() != Decided {
			t.Fatalf("seed %d: decided %d times, %s", seed, l.decided, l.state.Phase())
		}
		if l.failed {
			proofs++
		}
		if leftOut == liars && !l.garbage && l.failed && l.state.leftOut == leftOut && leftOut != (Set{}) {
			t.Fatalf("seed %d: a liar that was left out spoiled the opening", seed)
		}
	}
	if proofs < 200 || proofs > 1800 {
		t.Fatalf("%d of 2000 rounds needed proofs", proofs)
	}
}
