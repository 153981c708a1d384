package sim

import (
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a world is small, and soon garbage
	os.Exit(m.Run())
}

// number is that of an environment variable, or the default.
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

// TestSchedules runs 10,000 random schedules, or BLINDSEQ_SIM_SCHEDULES, from seed BLINDSEQ_SIM_SEED on.
func TestSchedules(t *testing.T) {
	from, n := number(t, "BLINDSEQ_SIM_SEED", 0), number(t, "BLINDSEQ_SIM_SCHEDULES", 10_000)
	began := time.Now()
	s := Seeds(from, n)
	t.Logf("seeds from %d, %s: %s", from, time.Since(began).Round(time.Second), s.Stats)
	for _, r := range s.Failed {
		t.Errorf("violated: %v\nsmallest found: %s\nto see it: make sim SEED=%d", r.Violations, Shrink(r, 200).Plan, r.Plan.Seed)
	}
	if len(s.Failed) == 0 && uint64(s.Stats.Runs) != n {
		t.Errorf("%d schedules were run, not %d", s.Stats.Runs, n)
	}
}

func TestASeedReplaysExactly(t *testing.T) {
	traces := map[uint64]uint64{}
	for seed := range uint64(40) {
		first, again := Run(NewPlan(seed), nil), Run(NewPlan(seed), nil)
		if first.Trace != again.Trace || first.Stats != again.Stats {
			t.Errorf("seed %d: traces %x and %x", seed, first.Trace, again.Trace)
		}
		if other, ok := traces[first.Trace]; ok {
			t.Errorf("seeds %d and %d have the same trace", seed, other)
		}
		traces[first.Trace] = seed
	}
}

// TestACalmRunDoesItsWork: a checker that finds nothing in a world that does nothing proves nothing.
func TestACalmRunDoesItsWork(t *testing.T) {
	r := Run(Plan{Seed: 1}, nil)
	if len(r.Violations) > 0 || r.Stats.Blocks < 20 || r.Stats.Acks < 15 || r.Stats.Answers < 8 {
		t.Fatalf("%v\n%s", r.Violations, r.Stats)
	}
}

func TestAFailureIsShrunk(t *testing.T) {
	r, _, ok := Find(BlueprintNotSynced, enough)
	for seed := r.Plan.Seed; ok && len(r.Plan.Faults) < 4; { // one with something to leave out
		seed++
		r = Run(Plan{Seed: seed, Faults: NewPlan(seed).Faults, Bug: BlueprintNotSynced}, nil)
		if !r.Broken()["S6"] {
			r.Plan.Faults = nil
		}
	}
	small := Shrink(r, 200)
	again := Run(small.Plan, nil)
	if len(small.Plan.Faults) != 1 || !again.Broken()["S6"] || again.Trace != small.Trace {
		t.Fatalf("%s\nbecame %s\nwhich broke %v", r.Plan, small.Plan, again.Violations)
	}
}
