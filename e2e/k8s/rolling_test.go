package k8s

import (
	"testing"
	"time"
)

// longestStill is how long blocks may stop while a workload is updated or Redis gets another master.
const longestStill = 10 * time.Second

// A rolling update of everything, one workload after the other, fails no request.
func TestARollingUpdateOfEveryWorkloadFailsNoRequest(t *testing.T) {
	s := open(t)
	workloads, err := s.Workloads(t.Context())
	must(t, err)
	r := s.underLoad(t)
	r.redisIsLost()
	for _, w := range workloads {
		began := r.Now()
		r.phase.begin()
		must(t, s.Restart(t.Context(), w))
		took := r.Now() - began
		r.awaitProgress(t)
		still, text := r.phase.begin()
		t.Logf("%s: updated from %s on, in %s; %s", w, began.Round(time.Second), took.Round(time.Second), text)
		if still > longestStill {
			t.Errorf("while %s was updated %s", w, text)
		}
	}
	r.judge(t)
	r.noneFailed(t)
}
