package history

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// inside is what a simulator records of a run without fault: two producers, one block each of two, a request that ends
// without a preblock, and everything back to normal in the end.
func inside() *History {
	one, two, tx := common.Hash{1}, common.Hash{2}, common.Hash{9}
	h := &History{
		Replay: map[uint64]common.Hash{1: {0xa1}, 2: {0xa2}},
		Steps: []Step{
			{By: "p", Kind: Inside, Number: 5}, {By: "q", Kind: Submitted, Number: 1, Attempt: 1, Hash: one},
			{By: "k", Kind: Attested, Number: 1, Hash: one}, {By: "dsn", Kind: Fixed, Number: 1, Hash: one},
			{By: "m", Kind: Merged, Number: 1, Request: "a"},
			{By: "p", Kind: Appended, Number: 1, Hash: one}, {By: "p", Kind: Applied, Number: 1},
			{By: "p", Kind: Left, Number: 1, Hash: tx}, {By: "p", Kind: Published, Number: 1},
			{By: "m", Kind: Noticed, Request: "b", Reason: "pool_empty"},
			{By: "r", Kind: Inside, Number: 6}, {By: "q", Kind: Submitted, Number: 2, Attempt: 1, Hash: two},
			{By: "dsn", Kind: Fixed, Number: 2, Hash: two},
			{By: "p", Kind: Recovered, Number: 1}, {By: "p", Kind: Applied, Number: 1},
			{By: "p", Kind: Appended, Number: 2, Hash: two}, {By: "p", Kind: Applied, Number: 2}, {By: "p", Kind: Published, Number: 2},
		},
		Refusals: []Refusal{{By: "p", What: "nonsense", Before: one, After: one}},
		Recovery: Recovery{
			Quiet: time.Minute, Patience: time.Minute,
			Heads:    []Sample{{At: time.Minute, Head: 1, Waiting: 3}, {At: 90 * time.Second, Head: 2, Waiting: 1}, {At: 2 * time.Minute, Head: 3}},
			Restarts: []Restart{{Name: "p", At: 30 * time.Second, Served: 31 * time.Second}},
			Losses:   []Loss{{Lock: "consumption", At: 30 * time.Second, Regained: 32 * time.Second}},
			Queues:   []Queue{{Name: "pool", Size: 2, Normal: 2}},
			Stops:    []Stop{{Name: "p", At: 2 * time.Minute, Ended: 121 * time.Second, Limit: 5 * time.Second}},
		},
	}
	for n, root := range h.Replay {
		h.Roots = append(h.Roots, Seen[Root]{By: "p", Value: Root{Number: n, Root: root}})
	}
	return h
}

func TestAValidHistoryOfStepsHasNoViolations(t *testing.T) {
	if found := Check(inside()); len(found) != 0 {
		t.Fatalf("found %v", found)
	}
}

func (h *History) then(steps ...Step) { h.Steps = append(h.Steps, steps...) }

func TestSeededViolationsOfStepsAreFound(t *testing.T) {
	three := common.Hash{3}
	for _, seed := range []struct {
		what, name string
		spoil      func(h *History)
	}{
		{"a keyholder signs two contents", "S1", func(h *History) { h.then(Step{By: "k", Kind: Attested, Number: 1, Hash: three}) }},
		{"the DSN shows two contents", "S1", func(h *History) { h.then(Step{By: "dsn", Kind: Fixed, Number: 2, Hash: three}) }},
		{"a blueprint is decided that the DSN did not show", "S1", func(h *History) {
			h.then(Step{By: "p", Kind: Appended, Number: 3, Hash: three})
		}},
		{"an alarm is raised", "S1", func(h *History) { h.Alarms = []Seen[string]{{By: "p", Value: "fork"}} }},
		{"a transaction leaves the pool for no block", "S4", func(h *History) { h.then(Step{By: "p", Kind: Left, Hash: three}) }},
		{"a transaction leaves the pool before its block is applied", "S4", func(h *History) {
			h.then(Step{By: "p", Kind: Left, Number: 3, Hash: three})
		}},
		{"a number is proposed before the one before it was applied", "S5", func(h *History) {
			h.then(Step{By: "q", Kind: Submitted, Number: 4, Attempt: 1, Hash: three})
		}},
		{"an attempt has two contents", "S5", func(h *History) {
			h.then(Step{By: "q", Kind: Submitted, Number: 2, Attempt: 1, Hash: three})
		}},
		{"a producer comes back without what it had shown", "S6", func(h *History) { h.then(Step{By: "p", Kind: Recovered, Number: 1}) }},
		{"a log loses a record", "S6", func(h *History) { h.then(Step{By: "p", Kind: Appended, Number: 2, Hash: common.Hash{2}}) }},
		{"a request ends without a preblock after its preblock", "S8", func(h *History) {
			h.then(Step{By: "m", Kind: Noticed, Request: "a", Reason: "pool_empty"})
		}},
		{"a request ends with two reasons", "S8", func(h *History) {
			h.then(Step{By: "n", Kind: Noticed, Request: "b", Reason: "pool_locked"})
		}},
		{"a blueprint is applied that the log does not have", "S9", func(h *History) { h.then(Step{By: "p", Kind: Applied, Number: 3}) }},
		{"a log skips a number", "S9", func(h *History) {
			h.then(Step{By: "dsn", Kind: Fixed, Number: 4, Hash: three}, Step{By: "p", Kind: Appended, Number: 4, Hash: three})
		}},
		{"a state differs from the replay's", "S10", func(h *History) { h.Roots[0].Value.Root = three }},
		{"a blueprint is published before it is applied", "S11", func(h *History) { h.then(Step{By: "p", Kind: Published, Number: 3}) }},
		{"a holder continues after another had the lock", "S12", func(h *History) { h.then(Step{By: "p", Kind: Inside, Number: 5}) }},
		{"two hold the lock under one token", "S12", func(h *History) { h.then(Step{By: "p", Kind: Inside, Number: 6}) }},
		{"a refused input changes something", "S13", func(h *History) { h.Refusals[0].After = three }},
		{"shares are given before a quorum locked", "S14", func(h *History) {
			h.Quorum = 2
			h.then(final(2, 2, "k", "l")...)
			h.then(Step{By: "k", Kind: Attested, Number: 3, Hash: three}, Step{By: "l", Kind: Attested, Number: 3, Hash: three},
				Step{By: "k", Kind: Locked, Number: 3, Hash: three}, Step{By: "l", Kind: Shared, Number: 3, Hash: three})
		}},
		{"shares are given for another content than was locked", "S14", func(h *History) {
			h.Quorum = 1
			h.then(final(3, 3, "k")...)
			h.then(Step{By: "k", Kind: Shared, Number: 3, Hash: common.Hash{9}})
		}},
		{"two contents are final", "S1", func(h *History) {
			h.Quorum = 1
			h.then(final(2, 2, "k")...)
			h.then(final(2, 9, "l")...)
		}},
		{"a keyholder attests before the number before is final", "S17", func(h *History) {
			h.Quorum = 2
			h.then(final(2, 2, "k")...)
			h.then(Step{By: "k", Kind: Attested, Number: 3, Hash: three})
		}},
		{"a keyholder locks what no quorum attested", "S17", func(h *History) {
			h.Quorum = 2
			h.then(Step{By: "k", Kind: Attested, Number: 2, Hash: common.Hash{2}}, Step{By: "k", Kind: Locked, Number: 2, Hash: common.Hash{2}})
		}},
		{"a keyholder attests what breaks a rule", "S17", func(h *History) {
			h.then(Step{By: "k", Kind: Attested, Number: 2, Hash: common.Hash{2}, Breaks: "seq"})
		}},
		{"a keyholder signs again after it lost its votes", "S17", func(h *History) {
			h.Quorum = 1
			h.then(final(2, 2, "k")...)
			h.then(Step{By: "k", Kind: Lost}, Step{By: "k", Kind: Attested, Number: 2, Hash: common.Hash{2}})
		}},
		{"a keyholder locks again after it lost its votes", "S17", func(h *History) {
			h.Quorum = 1
			h.then(final(2, 2, "k")...)
			h.then(Step{By: "k", Kind: Lost}, Step{By: "k", Kind: Locked, Number: 2, Hash: common.Hash{2}})
		}},
		{"a keyholder comes back without a certificate that it locked", "S6", func(h *History) {
			h.Quorum = 1
			h.then(final(2, 2, "k")...)
			h.then(Step{By: "k", Kind: RecoveredLocks, Number: 1})
		}},
		{"a sealed transaction is ordered twice", "S3", func(h *History) {
			h.then(Step{By: "dsn", Kind: Fixed, Number: 3, Hash: three, Sealed: []common.Hash{three}},
				Step{By: "dsn", Kind: Fixed, Number: 4, Hash: three, Sealed: []common.Hash{three}})
		}},
		{"the head stands still while something waits", "L1", func(h *History) {
			h.Recovery.Heads = append(h.Recovery.Heads[:2], Sample{At: 3 * time.Minute, Head: 2, Waiting: 1})
		}},
		{"something waits in the end", "L1", func(h *History) { h.Recovery.Heads[2] = Sample{At: 2 * time.Minute, Head: 2, Waiting: 1} }},
		{"a process does not serve again", "L2", func(h *History) { h.Recovery.Restarts[0].Served = 0 }},
		{"a process serves again too late", "L2", func(h *History) { h.Recovery.Restarts[0].Served = 3 * time.Minute }},
		{"a lock is not held again", "L3", func(h *History) { h.Recovery.Losses[0].Regained = 0 }},
		{"a queue does not empty", "L4", func(h *History) { h.Recovery.Queues[0].Size = 3 }},
		{"a process does not end", "L5", func(h *History) { h.Recovery.Stops[0].Ended = 0 }},
		{"a process ends too late", "L5", func(h *History) { h.Recovery.Stops[0].Ended = 3 * time.Minute }},
	} {
		t.Run(seed.what, func(t *testing.T) {
			h := inside()
			seed.spoil(h)
			var names []string
			found := Check(h)
			for _, v := range found {
				names = append(names, v.Name)
			}
			if names = slices.Compact(names); !slices.Equal(names, []string{seed.name}) {
				t.Fatalf("found %v, want %s", found, seed.name)
			}
		})
	}
}

// final are the steps in which keyholders make the numbers up to one final, that one with a content of its own.
func final(number uint64, hash byte, keyholders ...string) (steps []Step) {
	for n := uint64(1); n <= number; n++ {
		of := common.Hash{byte(n)}
		if n == number {
			of = common.Hash{hash}
		}
		for _, kind := range []StepKind{Attested, Locked} {
			for _, k := range keyholders {
				steps = append(steps, Step{By: k, Kind: kind, Number: n, Hash: of})
			}
		}
	}
	return steps
}
