package order

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestTransitions(t *testing.T) {
	idle := State{first: 5, fixed: 7}
	accepted := State{first: 5, fixed: 7, open: true}
	for _, c := range []struct {
		name    string
		state   State
		event   Event
		next    State
		effects []Effect
		err     error
	}{
		{"the next number is stored", idle, Submitted{8}, idle, []Effect{StoreProposal{8}}, nil},
		{"stored, it is accepted", idle, ProposalStored{8}, accepted, nil, nil},
		{"in turn, its preblock is stored", accepted, Due{}, accepted, []Effect{StorePreblock{8}}, nil},
		{"stored, the preblock is published", accepted, PreblockStored{8}, State{first: 5, fixed: 8}, []Effect{Publish{8}}, nil},
		{"nothing is due while idle", idle, Due{}, idle, nil, nil},

		{"a fixed number is answered", idle, Submitted{7}, idle, []Effect{AnswerAccepted{7}}, nil},
		{"the oldest number is answered", idle, Submitted{5}, idle, []Effect{AnswerAccepted{5}}, nil},
		{"an accepted number is answered", accepted, Submitted{8}, accepted, []Effect{AnswerAccepted{8}}, nil},

		{"a number is skipped", idle, Submitted{9}, idle, nil, ErrNotNext},
		{"a number before the oldest", idle, Submitted{4}, idle, nil, ErrNotNext},
		{"number 0", New(1), Submitted{0}, New(1), nil, ErrNotNext},
		{"the next number before its turn", accepted, Submitted{9}, accepted, nil, ErrNotNext},
		{"the first number of a fresh disk", New(100), Submitted{100}, New(100), []Effect{StoreProposal{100}}, nil},
		{"another first number", New(100), Submitted{99}, New(100), nil, ErrNotNext},

		{"a proposal stored twice", accepted, ProposalStored{8}, accepted, nil, ErrUnexpected},
		{"another proposal stored", idle, ProposalStored{9}, idle, nil, ErrUnexpected},
		{"a preblock without a proposal", idle, PreblockStored{8}, idle, nil, ErrUnexpected},
		{"another preblock stored", accepted, PreblockStored{9}, accepted, nil, ErrUnexpected},
		{"no event", idle, nil, idle, nil, ErrUnexpected},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, effects, err := Next(c.state, c.event)
			if next != c.next || !reflect.DeepEqual(effects, c.effects) || !errors.Is(err, c.err) {
				t.Fatalf("got %+v, %v, %v", next, effects, err)
			}
		})
	}
}

func TestRecoveredKnowsTheOpenProposal(t *testing.T) {
	s, err := Recovered(3, 9, 8)
	if err != nil || s.Fixed() != 8 || s.Accepted() != 9 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, effects, _ := Next(s, Due{}); !reflect.DeepEqual(effects, []Effect{StorePreblock{9}}) {
		t.Fatalf("effects %v", effects)
	}
	for _, bad := range [][3]uint64{{0, 1, 1}, {3, 2, 2}, {3, 9, 10}, {3, 9, 7}} {
		if _, err := Recovered(bad[0], bad[1], bad[2]); !errors.Is(err, ErrUnexpected) {
			t.Fatalf("%v recovered: %v", bad, err)
		}
	}
}

// disk is what a driver has made durable; it survives a crash, the State does not.
type disk struct {
	proposals map[uint64]int // number to content
	accepted  uint64
	fixed     uint64
	published map[uint64]int
}

// driver carries out effects and crashes before or after a store with some chance; it reports whether it crashed.
func (d *disk) drive(t *testing.T, r *rand.Rand, s State, e Event, content int) (State, bool) {
	s, effects, err := Next(s, e)
	if err != nil && !errors.Is(err, ErrNotNext) {
		t.Fatal(err)
	}
	for _, effect := range effects {
		var done Event
		if r.IntN(8) == 0 {
			return s, true
		}
		switch effect := effect.(type) {
		case StoreProposal:
			if _, again := d.proposals[effect.Number]; again {
				t.Fatalf("proposal %d stored twice", effect.Number)
			}
			d.proposals[effect.Number], d.accepted = content, effect.Number
			done = ProposalStored{d.accepted}
		case StorePreblock:
			if d.fixed+1 != effect.Number {
				t.Fatalf("preblock %d stored after %d", effect.Number, d.fixed)
			}
			d.fixed = effect.Number
			done = PreblockStored{d.fixed}
		case Publish:
			d.published[effect.Number] = d.proposals[effect.Number]
			continue
		case AnswerAccepted:
			if effect.Number > d.accepted {
				t.Fatalf("number %d answered, accepted up to %d", effect.Number, d.accepted)
			}
			continue
		}
		if r.IntN(8) == 0 {
			return s, true
		}
		var crashed bool
		if s, crashed = d.drive(t, r, s, done, content); crashed {
			return s, true
		}
	}
	return s, false
}

func TestCrashesAtAnyStepNeverChangeADecision(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := &disk{proposals: map[uint64]int{}, published: map[uint64]int{}}
		s := New(1)
		for content := 1; content < 200; content++ {
			before := d.accepted
			was := d.proposals[before]
			var e Event = Due{}
			if r.IntN(2) == 0 {
				e = Submitted{uint64(r.IntN(int(d.accepted) + 3))}
			}
			var crashed bool
			if s, crashed = d.drive(t, r, s, e, content); crashed {
				s = New(1)
				if d.accepted > 0 {
					var err error
					if s, err = Recovered(1, d.accepted, d.fixed); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			}
			if d.proposals[before] != was {
				t.Fatalf("seed %d: content of %d changed", seed, before)
			}
			if s.Fixed() != d.fixed || s.Accepted() != d.accepted {
				t.Fatalf("seed %d: state %+v, disk %+v", seed, s, d)
			}
		}
		if d.fixed < 5 {
			t.Fatalf("seed %d: only %d fixed", seed, d.fixed)
		}
	}
}
