package e2e

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"

	"golang.org/x/sync/errgroup"
)

const (
	// killsEnv is how many times a program is killed, 120 if not set.
	killsEnv = "BLINDSEQ_E2E_KILLS"
	// failpointsEnv is a directory that keeps the programs with failpoints from one run to the next.
	failpointsEnv = "BLINDSEQ_E2E_FAILPOINTS"

	atOnce    = 5  // clusters: a kill of the producer is mostly a wait for leases to end; more would wait for two cores
	fewKills  = 16 // fewer are not worth a cluster
	manyKills = 40 // more make a history that takes long to be checked
)

// From a kill of the producer, started again at once, to the next block it makes, with leases of 3 s.
const (
	blockWithin99 = 5 * time.Second
	blockWithin   = 10 * time.Second
)

// TestNothingIsLostAtAKillAtAnyStep kills each program at each of its steps, under load, starts it again at once and goes
// on in the same cluster, which must make new blocks. At the end the history of each cluster is judged.
func TestNothingIsLostAtAKillAtAnyStep(t *testing.T) {
	bin, source := withFailpoints(t)
	checkSteps(t, source)
	kills := number(t, killsEnv, 120)
	var down downtimes
	var group errgroup.Group
	group.SetLimit(atOnce)
	run := func(kind string, o cluster.Options, plans [][]step) {
		o.Failpoints = true
		for i, plan := range plans {
			group.Go(func() error {
				t.Run(fmt.Sprintf("%s-%d", kind, i+1), func(t *testing.T) { killAll(t, bin, o, plan, &down) })
				return nil
			})
		}
	}
	run("sealed", withKeyholders(), plans(sealedSteps(), kills/5))
	run("following", withOneTooMany(), plans(followingSteps(), kills/12))
	run("plain", cluster.Options{}, plans(plainSteps(), kills-kills/5-kills/12))
	_ = group.Wait() // the subtests report for themselves
	down.report(t, kills)
}

// plans divides kills over clusters: all steps in some order, then all in another, and so on; the same orders in every run.
func plans(all []step, kills int) [][]step {
	order := rand.New(rand.NewPCG(1, 2))
	var queue []step
	for len(queue) < kills {
		order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		queue = append(queue, all...)
	}
	clusters := max(1, min(kills/fewKills, atOnce), (kills+manyKills-1)/manyKills)
	plans := make([][]step, clusters)
	for i, s := range queue[:kills] {
		plans[i%clusters] = append(plans[i%clusters], s)
	}
	return plans
}

func killAll(t *testing.T, bin string, o cluster.Options, plan []step, down *downtimes) {
	k := newKiller(t, bin, o)
	for _, s := range plan {
		took := k.kill(t, s)
		if t.Failed() {
			t.Logf("the last kill was of %s at %s", s.process, s.name)
			return
		}
		t.Logf("%s killed at %s: next block after %s", s.process, s.name, took.Round(time.Millisecond))
		down.add(s, took)
	}
	k.end(t)
}

// withFailpoints returns the directory of the programs with failpoints, which are built for the first test that asks, and
// the names of all steps.
func withFailpoints(t *testing.T) (bin string, names []string) {
	t.Helper()
	began := time.Now()
	names, err := failpoints.build()
	must(t, err)
	t.Logf("%d steps, built in %s", len(names), time.Since(began).Round(time.Second))
	return failpoints.bin, names
}

func number(t *testing.T, env string, byDefault int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// downtimes are how long it took from each kill to the next block made.
type downtimes struct {
	mu   sync.Mutex
	took map[string][]time.Duration // by process
	done map[step]int
}

func (d *downtimes) add(s step, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.took == nil {
		d.took, d.done = map[string][]time.Duration{}, map[step]int{}
	}
	d.done[s]++
	if s.way == underLoad {
		d.took[s.process] = append(d.took[s.process], took)
	}
}

func (d *downtimes) report(t *testing.T, kills int) {
	total := 0
	for _, n := range d.done {
		total += n
	}
	t.Logf("%d kills at %d steps", total, len(d.done))
	if total != kills && !t.Failed() {
		t.Errorf("%d kills were asked for", kills)
	}
	for _, process := range slices.Sorted(maps.Keys(d.took)) {
		t.Logf("%s killed → next block: %s", process, figures(d.took[process]))
	}
	took := d.took[cluster.Producer]
	if p99 := quantile(took, 0.99); p99 > blockWithin99 {
		t.Errorf("producer killed → next block: p99 %s, the bound is %s", p99, blockWithin99)
	}
	if most := quantile(took, 1); most > blockWithin {
		t.Errorf("producer killed → next block: at most %s, the bound is %s", most, blockWithin)
	}
}

func figures(all []time.Duration) string {
	return fmt.Sprintf("n=%d median %s p99 %s max %s", len(all), quantile(all, 0.5), quantile(all, 0.99), quantile(all, 1))
}

// quantile is the smallest value that is not below q of all.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(all), cmp.Compare[time.Duration])
	return sorted[max(0, int(float64(len(sorted))*q+0.9999)-1)].Round(time.Millisecond)
}

// bounded is a context for what must come about while a test waits.
func bounded(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}
