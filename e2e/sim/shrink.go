package sim

import (
	"slices"
	"time"
)

// Shrink returns a plan with as few and as short faults as it can find that still breaks one of the invariants the result
// broke. It runs at most so many plans.
func Shrink(r Result, runs int) Result {
	best, broken := r, r.Broken()
	try := func(p Plan) bool {
		if runs <= 0 {
			return false
		}
		runs--
		got := Run(p, nil)
		for name := range got.Broken() {
			if broken[name] {
				best = got
				return true
			}
		}
		return false
	}
	for size := max(1, len(best.Plan.Faults)/2); size >= 1; size /= 2 {
		for from := 0; from < len(best.Plan.Faults); {
			p := best.Plan
			p.Faults = slices.Delete(slices.Clone(p.Faults), from, min(from+size, len(p.Faults)))
			if !try(p) {
				from += size
			}
		}
	}
	for i := range best.Plan.Faults {
		for best.Plan.Faults[i].For > fastest {
			p := best.Plan
			p.Faults = slices.Clone(p.Faults)
			p.Faults[i].For /= 2
			if !try(p) {
				break
			}
		}
	}
	return best
}

// fastest is how short a fault is made at most.
const fastest = 20 * time.Millisecond
