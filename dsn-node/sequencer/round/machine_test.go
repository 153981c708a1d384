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
	if !s.Has(200) || s.Has(201) || s.Without(set(0, 255)) != set(63, 64, 200) || s.And(set(64, 65)) != set(64) || s.Or(set(1)).Len() != 6 {
		t.Fatal("set operations")
	}
}

func TestTransitions(t *testing.T) {
	attesting := func(who ...uint8) State {
		return State{Quorum: 3, Threshold: 2, attested: set(who...), planned: true}
	}
	opening := func(change func(*State)) State {
		s := State{Quorum: 3, Threshold: 2, phase: Opening, attested: set(0, 1, 2), planned: true, open: 1}
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
		{"fewer than a quorum wait", attesting(0), Attested{1}, attesting(0, 1), nil, nil},
		{"the same one again counts once", attesting(0, 1), Attested{1}, attesting(0, 1), nil, nil},
		{"a quorum without bundles decides", attesting(0, 1), Attested{3},
			State{Quorum: 3, Threshold: 2, phase: Decided, attested: set(0, 1, 3), planned: true}, []Effect{Certify{set(0, 1, 3)}, Decide{}}, nil},
		{"a quorum before the plan certifies", State{Quorum: 1, Threshold: 1}, Attested{0},
			State{Quorum: 1, Threshold: 1, phase: Opening, attested: set(0)}, []Effect{Certify{set(0)}}, nil},
		{"a plan that opens nothing decides", State{Quorum: 1, phase: Opening, attested: set(0)}, Planned{0},
			State{Quorum: 1, phase: Decided, attested: set(0), planned: true}, []Effect{Decide{}}, nil},
		{"an attestation after the certificate changes nothing more", opening(same), Attested{5},
			opening(func(s *State) { s.attested = set(0, 1, 2, 5) }), nil, nil},
		{"a certificate that was made before takes the place of attestations", State{Quorum: 3, Threshold: 2, attested: set(0)}, Shown{},
			State{Quorum: 3, Threshold: 2, phase: Opening, attested: set(0)}, nil, nil},
		{"a certificate without bundles decides", attesting(0), Shown{},
			State{Quorum: 3, Threshold: 2, phase: Decided, attested: set(0), planned: true}, []Effect{Decide{}}, nil},
		{"a certificate shown late changes nothing", opening(same), Shown{}, opening(same), nil, nil},
		{"too few answers wait", opening(same), Answered{4}, opening(func(s *State) { s.waiting = set(4) }), nil, nil},
		{"enough answers are checked", opening(func(s *State) { s.waiting = set(4) }), Answered{1},
			opening(func(s *State) { s.checking = set(1, 4) }), []Effect{Check{set(1, 4)}}, nil},
		{"enough right ones decide", opening(func(s *State) { s.checking = set(1, 4) }), Checked{},
			opening(func(s *State) { s.phase, s.right = Decided, set(1, 4) }), []Effect{Decide{set(1, 4)}}, nil},
		{"a wrong one is waited for another", opening(func(s *State) { s.checking = set(1, 4) }), Checked{set(4)},
			opening(func(s *State) { s.right = set(1) }), nil, nil},
		{"one that came meanwhile is checked", opening(func(s *State) { s.checking, s.waiting = set(1, 4), set(6) }), Checked{set(4)},
			opening(func(s *State) { s.right, s.checking = set(1), set(6) }), []Effect{Check{set(6)}}, nil},

		{"shares before the certificate", attesting(0), Answered{0}, attesting(0), nil, ErrUnexpected},
		{"checked without a check", opening(same), Checked{}, opening(same), nil, ErrUnexpected},
		{"checked others", opening(func(s *State) { s.checking = set(1, 4) }), Checked{set(2)},
			opening(func(s *State) { s.checking = set(1, 4) }), nil, ErrUnexpected},
		{"planned twice", opening(same), Planned{1}, opening(same), nil, ErrUnexpected},
		{"no event", opening(same), nil, opening(same), nil, ErrUnexpected},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, effects, err := Next(c.state, c.event)
			if next != c.next || !reflect.DeepEqual(effects, c.effects) || !errors.Is(err, c.err) {
				t.Fatalf("got %+v, %v, %v", next, effects, err)
			}
		})
	}
}

// TestAnyOrderOfAnswersDecidesOnceWithEnoughRightOnes lets seven keyholders, some of them liars, answer in random order
// and again when they are found wrong, with a plan that comes at any time.
func TestAnyOrderOfAnswersDecidesOnceWithEnoughRightOnes(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		liars := set()
		for liars.Len() < int(seed%3) {
			liars = liars.With(uint8(r.IntN(7)))
		}
		open := r.IntN(3)
		s := New(5, 5, true)
		decided, certified, isPlanned := 0, false, false
		var give func(e Event)
		give = func(e Event) {
			next, effects, err := Next(s, e)
			if err != nil {
				t.Fatalf("seed %d: %T: %v", seed, e, err)
			}
			s = next
			for _, effect := range effects {
				switch effect := effect.(type) {
				case Certify:
					if certified || effect.By.Len() < 5 {
						t.Fatalf("seed %d: certified by %v", seed, effect.By.All())
					}
					certified = true
				case Check:
					give(Checked{effect.Of.And(liars)})
				case Decide:
					decided++
					if open > 0 && (effect.From.Len() < 5 || effect.From.And(liars) != (Set{})) {
						t.Fatalf("seed %d: decided from %v", seed, effect.From.All())
					}
				}
			}
		}
		for range 400 {
			a := uint8(r.IntN(7))
			switch k := r.IntN(8); {
			case k == 0 && !isPlanned:
				isPlanned = true
				give(Planned{open})
			case k < 4:
				give(Attested{a})
			case certified:
				give(Answered{a})
			}
		}
		if decided != 1 || s.Phase() != Decided {
			t.Fatalf("seed %d: decided %d times, %s", seed, decided, s.Phase())
		}
	}
}
