package merge

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"blindseq/kit/dsntest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/outcome"
)

const (
	locked = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED
	empty  = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY
)

func limits() Limits {
	return Limits{CacheBlocks: 4, CacheBytes: 1 << 20, Held: 3, Hashes: 8, Ended: 8}
}

// block is preblock n of request "rn".
func block(t *testing.T, n uint64, tx ...byte) Arrived {
	t.Helper()
	a, err := Verify(dsntest.Preblock(n, fmt.Sprint("r", n), tx...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// opened is preblock n of one sealed transaction, which was opened to a text; "" for unopenable.
func opened(t *testing.T, n uint64, text string) Arrived {
	t.Helper()
	p := dsntest.Preblock(n, fmt.Sprint("r", n), 1)
	o := &preblockv1.Outcome{Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{}}}
	if text != "" {
		o.Result = &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Seed: []byte("seed"), Transaction: []byte(text)}}
	}
	p.Outcomes = []*preblockv1.Outcome{o}
	a, err := Verify(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func asked(a Arrived) Arrived { a.Asked = true; return a }

// TestScripts are scenarios: inputs, and after each the effects, written short (see text).
func TestScripts(t *testing.T) {
	wait := func(id uint64, request string, number uint64) Event { return Wait{id, request, number} }
	type scene struct {
		in   Event
		want string
	}
	for name, script := range map[string][]scene{
		"a waiter gets its preblock": {
			{Started{4}, ""},
			{wait(1, "r5", 5), ""},
			{block(t, 5), "advanced 5, 1 gets 5"},
			{wait(2, "r5", 5), "2 gets 5"},
		},
		"a preblock of another request answers too": {
			{Started{0}, ""}, {wait(1, "x", 1), ""}, {block(t, 1), "advanced 1, 1 gets 1"},
		},
		"a waiter gets the notice of its request, and only of its": {
			{Started{0}, ""}, {wait(1, "a", 1), ""}, {wait(2, "b", 1), ""},
			{NoPreblock{"a", empty}, "1 gets pool_empty"},
			{block(t, 1), "advanced 1, 2 gets 1"},
		},
		"a remembered notice waits for its look-up: the request may have been made again": {
			{Started{0}, ""}, {NoPreblock{"r1", empty}, ""}, {wait(1, "r1", 1), ""}, {NoPreblock{"r1", locked}, "1 gets pool_locked"},
			{wait(2, "r1", 1), ""}, {block(t, 1), "advanced 1, contradiction r1, 2 gets 1"},
		},
		"every waiter of a number is answered, once": {
			{Started{0}, ""}, {wait(1, "a", 1), ""}, {wait(2, "a", 1), ""},
			{block(t, 1), "advanced 1, 1 gets 1, 2 gets 1"}, {block(t, 1), "dropped duplicate"},
		},
		"who left is not answered": {
			{Started{0}, ""}, {wait(1, "a", 1), ""}, {Gone{1}, ""}, {block(t, 1), "advanced 1"},
		},
		"a notice changes nothing after the preblock": {
			{Started{0}, ""}, {block(t, 1), "advanced 1"}, {NoPreblock{"r1", empty}, "dropped late_notice"}, {wait(1, "r1", 2), ""},
		},
		"of two notices the later counts": {
			{NoPreblock{"a", empty}, ""}, {NoPreblock{"a", locked}, ""}, {NoPreblock{"a", empty}, ""},
		},
		"a preblock after the notice of its request takes effect and is told": {
			{Started{0}, ""}, {NoPreblock{"r1", empty}, ""}, {block(t, 1), "advanced 1, contradiction r1"},
		},
		"out of order: held back, the gap is fetched": {
			{Started{0}, ""}, {wait(1, "r3", 3), ""},
			{block(t, 3), "fetch 1, fetch 2"}, {block(t, 3), "dropped duplicate"},
			{asked(block(t, 2)), "fetch 1"},
			{asked(block(t, 1)), "advanced 1, advanced 2, advanced 3, 1 gets 3"},
		},
		"too far out of order: dropped": {
			{Started{0}, ""}, {block(t, 5), "dropped too_early"}, {block(t, 1), "advanced 1"},
		},
		"a break forgets what was held back": {
			{Started{0}, ""}, {block(t, 2), "fetch 1"}, {Broken{}, ""},
			{Started{2}, ""}, {block(t, 1), "advanced 1"}, {block(t, 2), "advanced 2"},
		},
		"an old number is fetched for its waiter": {
			{Started{9}, ""}, {wait(1, "x", 3), "fetch 3"}, {asked(block(t, 3)), "1 gets 3"}, {asked(block(t, 3)), ""},
		},
		"who waited before the DSN was reached is served": {
			{wait(1, "x", 3), ""}, {wait(2, "x", 7), ""}, {Started{5}, "fetch 3"}, {asked(block(t, 3)), "1 gets 3"},
			{block(t, 6), "advanced 6"}, {block(t, 7), "advanced 7, 2 gets 7"},
		},
		"two contents for a number halt everything": {
			{Started{0}, ""}, {block(t, 1), "advanced 1"}, {wait(1, "r2", 2), ""}, {wait(2, "r3", 2), ""},
			{block(t, 1, 9), "halted 1, 1 gets halted, 2 gets halted"},
			{block(t, 2), ""}, {wait(3, "r1", 1), "3 gets halted"},
		},
		"two contents for a number held back, too": {
			{Started{0}, ""}, {block(t, 2), "fetch 1"}, {block(t, 2, 9), "halted 2"},
		},
		"two contents for an old number, too": {
			{Started{9}, ""}, {asked(block(t, 3)), ""}, {asked(block(t, 3, 9)), "halted 3"},
		},
		"another outcome of one content, too": {
			{Started{0}, ""}, {opened(t, 1, "a"), "advanced 1"}, {opened(t, 1, "a"), "dropped duplicate"}, {opened(t, 1, "b"), "halted 1"},
		},
		"another outcome of an old number, too": {
			{Started{9}, ""}, {asked(opened(t, 3, "a")), ""}, {asked(opened(t, 3, "")), "halted 3"},
		},
		"stopping answers everybody": {
			{wait(1, "a", 1), ""}, {Stopped{}, "1 gets stopping"}, {wait(2, "a", 1), "2 gets stopping"},
		},
	} {
		m := New(limits())
		for i, s := range script {
			if got := text(step(t, &m, s.in)); got != s.want {
				t.Errorf("%s: step %d, %T: got %q, want %q", name, i, s.in, got, s.want)
				break
			}
		}
	}
}

// step takes an event and keeps the state it leads to.
func step(t *testing.T, m *State, e Event) (effects []Effect) {
	t.Helper()
	var err error
	if *m, effects, err = Next(*m, e); err != nil {
		t.Fatalf("%T: %v", e, err)
	}
	return effects
}

func TestAnEventWithoutMeaningChangesNothing(t *testing.T) {
	m := New(limits())
	step(t, &m, Wait{1, "a", 1})
	for _, e := range []Event{nil, Wait{1, "b", 2}} {
		after, effects, err := Next(m, e)
		if !errors.Is(err, ErrUnexpected) || len(effects) > 0 || !reflect.DeepEqual(after, m) {
			t.Errorf("%T: effects %v, error %v", e, effects, err)
		}
	}
	if got := m.Requests(); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("waited for: %v", got)
	}
}

func text(effects []Effect) string {
	var parts []string
	for _, e := range effects {
		switch e := e.(type) {
		case Answer:
			parts = append(parts, fmt.Sprintf("%d gets %s", e.Waiter, reply(e.Reply)))
		case Fetch:
			parts = append(parts, fmt.Sprint("fetch ", e.Number))
		case Advanced:
			parts = append(parts, fmt.Sprint("advanced ", e.Preblock.Content.Number))
		case Dropped:
			parts = append(parts, "dropped "+e.Why)
		case Contradiction:
			parts = append(parts, "contradiction "+e.RequestID)
		case Halted:
			parts = append(parts, fmt.Sprint("halted ", e.Number))
		}
	}
	return strings.Join(parts, ", ")
}

func reply(o Reply) string {
	switch {
	case errors.Is(o.Err, ErrHalted):
		return "halted"
	case errors.Is(o.Err, ErrStopping):
		return "stopping"
	case o.NoPreblock != nil:
		return strings.ToLower(strings.TrimPrefix(o.NoPreblock.Reason.String(), "NO_PREBLOCK_REASON_"))
	}
	return fmt.Sprint(o.Preblock.GetContent().GetNumber())
}

func TestTheAlarmHoldsBothPreblocks(t *testing.T) {
	m := New(limits())
	step(t, &m, Started{0})
	first, second := block(t, 1), block(t, 1, 9)
	step(t, &m, first)
	h, ok := step(t, &m, second)[0].(Halted)
	if !ok || !reflect.DeepEqual(h, Halted{1, first.Identity, second.Identity, first.Preblock, second.Preblock}) {
		t.Fatalf("got %+v", h)
	}
	if err := m.Halt(); !errors.Is(err, ErrHalted) || !strings.Contains(err.Error(), fmt.Sprintf("%x", second.Hash)) {
		t.Fatalf("halt: %v", err)
	}
}

func TestAForgedPreblockIsRefused(t *testing.T) {
	for name, forge := range map[string]func(*preblockv1.Preblock){
		"other content":  func(p *preblockv1.Preblock) { p.Content.Transactions = [][]byte{{1}} },
		"other hash":     func(p *preblockv1.Preblock) { p.ContentHash[0] ^= 1 },
		"short hash":     func(p *preblockv1.Preblock) { p.ContentHash = p.ContentHash[:31] },
		"no content":     func(p *preblockv1.Preblock) { p.Content = nil },
		"number 0":       func(p *preblockv1.Preblock) { p.Content.Number = 0 },
		"malformed body": func(p *preblockv1.Preblock) { p.Content.PreviousBlockHash = nil },
	} {
		p := dsntest.Preblock(1, "a")
		forge(p)
		if _, err := Verify(p); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Verify(nil); !errors.Is(err, ErrForged) {
		t.Errorf("none: %v", err)
	}
}

// TestOutcomesHaveOneDigestWhenTheyAreTheSame, and only then.
func TestOutcomesHaveOneDigestWhenTheyAreTheSame(t *testing.T) {
	open := func(index uint32, seed, tx string) *preblockv1.Outcome {
		return &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Seed: []byte(seed), Transaction: []byte(tx)}}}
	}
	unopenable := func(index uint32, r preblockv1.UnopenableReason, authority uint32) *preblockv1.Outcome {
		return &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{
			Reason: r, Shares: []*preblockv1.ProvenShare{{Authority: authority}},
		}}}
	}
	lists := [][]*preblockv1.Outcome{
		nil, {},
		{open(0, "seed", "tx")}, {open(0, "seed", "tx")}, {open(1, "seed", "tx")}, {open(0, "see", "dtx")}, {open(0, "seed", "")}, {open(0, "", "")},
		{unopenable(0, 1, 1)}, {unopenable(0, 2, 3)}, {unopenable(1, 1, 1)}, {{}},
		{open(0, "seed", "tx"), unopenable(1, 1, 1)}, {open(0, "seed", "tx"), unopenable(1, 2, 2)}, {open(0, "seed", "tx"), open(1, "seed", "tx")},
	}
	for _, a := range lists {
		for _, b := range lists {
			if same := digest(a) == digest(b); same != outcome.Same(a, b) {
				t.Errorf("%v and %v have one digest: %v", a, b, same)
			}
		}
	}
}
