// Package hostile executes what an adversarial leader proposes, on the real chain, and judges each block.
//
// A schedule is a few contents of a leader that does everything the rules allow, and first tries what they forbid. Its means:
// gas burners ahead, nonces used up in between, a raised and a false base fee, wrong parents, timestamps at their limits and at
// forks, seqs again and skipped, copies, garbage, and what was opened once more, readable. Four replicas execute: one as the
// contents come, one later, one that is killed and starts again, and an observer from genesis.
package hostile

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
)

// schedulesOfAChain is how many schedules run on one chain, one after the other: to open a chain takes longer than a schedule.
// Its forks are passed on the way.
const schedulesOfAChain = 50

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestWhatWasOpenedRunsAtItsPlaceOrHasEnded runs 100 schedules, or BLINDSEQ_HOSTILE_SCHEDULES, from the chain
// BLINDSEQ_HOSTILE_CHAIN on. A chain's number is its seed. Make sim-test runs 1,000, without the race detector.
func TestWhatWasOpenedRunsAtItsPlaceOrHasEnded(t *testing.T) {
	first, n := number(t, "BLINDSEQ_HOSTILE_CHAIN", 0), number(t, "BLINDSEQ_HOSTILE_SCHEDULES", 100)
	var total stats
	var mu sync.Mutex
	t.Run("chains", func(t *testing.T) {
		for g := uint64(0); g*schedulesOfAChain < n; g++ {
			count := min(schedulesOfAChain, n-g*schedulesOfAChain)
			t.Run(fmt.Sprint(first+g), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, first+g)
				for w.schedule = range count {
					w.run()
				}
				w.observe()
				mu.Lock()
				defer mu.Unlock()
				total.add(w.stats)
			})
		}
	})
	t.Logf("%s", total)
	total.wantEverything(t, n)
}
