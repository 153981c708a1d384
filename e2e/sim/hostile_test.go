package sim

import (
	"testing"
	"time"
)

// TestHostileSchedules runs 1,000 schedules, or BLINDSEQ_SIM_HOSTILE, with a leader and a sequencer that do all harm they can, a
// keyholder that lies and one that is shown other contents or loses its disk: nothing is opened before it is final, nothing is
// final twice, what is opened is executed at its place or has ended, and all replicas have the same roots.
func TestHostileSchedules(t *testing.T) {
	from, n := number(t, "BLINDSEQ_SIM_SEED", 0), number(t, "BLINDSEQ_SIM_HOSTILE", 1000)
	began := time.Now()
	s := sweep(n, func(i uint64) Plan { return NewHostilePlan(from + i) })
	t.Logf("seeds from %d, %s: %s", from, time.Since(began).Round(time.Second), s.Stats)
	for _, r := range s.Failed {
		t.Errorf("violated: %v\nsmallest found: %s", r.Violations, Shrink(r, 100).Plan)
	}
	if uint64(s.Stats.Harms) < 10*n {
		t.Errorf("%d harms in %d schedules", s.Stats.Harms, n)
	}
}
