package sim

import (
	"testing"
	"time"
)

func TestOne(t *testing.T) {
	began := time.Now()
	var all Stats
	for seed := range uint64(2000) {
		r := Run(NewPlan(seed), nil)
		all.Add(r.Stats)
		for _, v := range r.Violations {
			t.Errorf("%d: %s", seed, v)
		}
		if seed < 20 {
			if again := Run(NewPlan(seed), nil); again.Trace != r.Trace {
				t.Errorf("%d: another trace", seed)
			}
		}
	}
	t.Log(all, time.Since(began))
}
