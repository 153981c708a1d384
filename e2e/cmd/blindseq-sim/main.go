// Program blindseq-sim runs simulated schedules: many, or one seed with everything that happens in it.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"blindseq/e2e/sim"

	"github.com/alecthomas/kong"
)

type flags struct {
	Seed      uint64 `help:"First seed." default:"0" env:"BLINDSEQ_SIM_SEED"`
	Schedules uint64 `help:"Number of seeds to run." default:"250000" env:"BLINDSEQ_SIM_SCHEDULES"`
	Replay    bool   `help:"Run one seed and print every event."`
	Shrink    bool   `help:"With --replay: search for the smallest schedule that fails, and print it."`
}

func main() {
	debug.SetGCPercent(400) // a world is small, and soon garbage
	var f flags
	kong.Parse(&f, kong.Description("Run the state machines of all services together, in virtual time, with faults drawn from seeds."))
	if f.Replay {
		os.Exit(replay(f))
	}
	os.Exit(sweep(f))
}

// replay prints one run.
func replay(f flags) int {
	r := sim.Run(sim.NewPlan(f.Seed), nil)
	if f.Shrink && len(r.Violations) > 0 {
		r = sim.Shrink(r, 500)
	}
	again := sim.Run(r.Plan, os.Stdout)
	fmt.Printf("%s\ntrace %016x, the same again: %v\n%s\n", r.Plan, r.Trace, again.Trace == r.Trace, r.Stats)
	return verdict(r)
}

// part is how many schedules are run between two lines of progress.
const part = 10_000

func sweep(f flags) int {
	began, failed := time.Now(), 0
	var all sim.Stats
	for done := uint64(0); done < f.Schedules && failed == 0; done += part {
		s := sim.Seeds(f.Seed+done, min(part, f.Schedules-done))
		all.Add(s.Stats)
		fmt.Printf("%8d schedules in %s, %d failed\n", all.Runs, time.Since(began).Round(time.Second), len(s.Failed))
		for _, r := range s.Failed {
			failed += verdict(r)
			fmt.Printf("smallest found: %s\n", sim.Shrink(r, 300).Plan)
		}
	}
	fmt.Printf("%s\nin %s, 0 violations: %v\n", all, time.Since(began).Round(time.Second), failed == 0)
	return min(failed, 1)
}

func verdict(r sim.Result) int {
	for _, v := range r.Violations {
		fmt.Printf("seed %d violates %s\n", r.Plan.Seed, v)
	}
	return min(len(r.Violations), 1)
}
