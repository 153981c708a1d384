package sim

import "slices"

// Find looks for a schedule in which a defect is seen: one that breaks an invariant the defect must break. It returns the
// first, and how many schedules it took; ok is false when there is none among so many.
func Find(b Bug, schedules uint64) (r Result, took uint64, ok bool) {
	for seed := range schedules {
		p := NewPlan(seed)
		if bugs[b].hostile {
			p = NewHostilePlan(seed)
		}
		p.Bug = b
		r = Run(p, nil)
		for name := range r.Broken() {
			if slices.Contains(b.Breaks(), name) {
				return r, seed + 1, true
			}
		}
	}
	return r, schedules, false
}
