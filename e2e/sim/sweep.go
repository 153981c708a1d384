package sim

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Sweep is what came of many schedules.
type Sweep struct {
	Stats  Stats
	Failed []Result // by seed, the first few of them
	Passed map[Moment]int
}

// maxFailed is how many failed results are kept.
const maxFailed = 8

// Seeds runs n schedules, from a seed on, on all cores. It stops early when enough have failed.
func Seeds(from, n uint64) *Sweep {
	plans := func(i uint64) Plan { return NewPlan(from + i) }
	return sweep(n, plans)
}

func sweep(n uint64, plan func(uint64) Plan) *Sweep {
	s := &Sweep{Passed: map[Moment]int{}}
	var next, failed atomic.Uint64
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= n || failed.Load() >= maxFailed {
					return
				}
				r := Run(plan(i), nil)
				mu.Lock()
				s.Stats.Add(r.Stats)
				for _, m := range r.Struck {
					s.Passed[m]++
				}
				if len(r.Violations) > 0 {
					failed.Add(1)
					s.Failed = append(s.Failed, r)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	slices.SortFunc(s.Failed, func(a, b Result) int { return cmp.Compare(a.Plan.Seed, b.Plan.Seed) })
	return s
}
