package sim

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestEveryPairOfCrashes kills processes at every moment, and then at every moment again.
func TestEveryPairOfCrashes(t *testing.T) {
	all := AllPairs()
	var next, met atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < uint64(len(all)) && !t.Failed(); i = next.Add(1) - 1 {
				p := all[i]
				r, ok := p.Meet()
				if len(r.Violations) > 0 {
					t.Errorf("killed %s, then %s: %v\n%s", p.First, p.Second, r.Violations, r.Plan)
				}
				if !ok {
					t.Errorf("killed %s, then %s: not met with %d seeds: %v", p.First, p.Second, tries, r.Struck)
					continue
				}
				met.Add(1)
			}
		})
	}
	workers.Wait()
	t.Logf("%d of %d ordered pairs of %d moments covered", met.Load(), len(all), len(Moments()))
}
