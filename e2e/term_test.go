package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/rest"

	"golang.org/x/sync/errgroup"
)

const (
	// termsEnv is how many times a program is stopped, 200 if not set.
	termsEnv = "BLINDSEQ_E2E_TERMS"

	stopWithin99 = 5 * time.Second // from SIGTERM to exit code 0
)

// TestEveryProgramStopsCleanlyUnderLoad stops each program again and again with SIGTERM, while transactions and
// produce_block calls are on their way and streams are open to it, and starts it again. Each stop must end in exit code 0,
// and the history of each cluster must be clean: what was under way is finished, or was handed back and is done later.
func TestEveryProgramStopsCleanlyUnderLoad(t *testing.T) {
	stops := number(t, termsEnv, 200)
	clusters := []cluster.Options{withKeyholders(), {}, {}}
	var s stopped
	var group errgroup.Group
	for i, o := range clusters {
		group.Go(func() error {
			share := stops*(i+1)/len(clusters) - stops*i/len(clusters)
			t.Run(fmt.Sprintf("cluster-%d", i+1), func(t *testing.T) { stopAll(t, o, share, &s) })
			return nil
		})
	}
	_ = group.Wait() // the subtests report for themselves
	s.report(t, stops)
}

// stopAll stops the programs of a new cluster one after the other, so many times in all.
func stopAll(t *testing.T, o cluster.Options, stops int, s *stopped) {
	c := start(t, o)
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 8)
	t.Cleanup(api.Close)
	run := watched(t, c, client, accounts[:2], 100*time.Millisecond)
	if c.Keys != nil {
		run.encrypt(t, accounts[2], accounts[3])
	}
	streams := openStreams(t, c)
	calls := run.inFlight(t, api, 3)
	names := c.Names()
	head := headAbove(t, client, 0)
	for i := range stops {
		name := names[i%len(names)]
		eventually(t, "streams to "+name+" and a produce_block call in flight", func(context.Context) (bool, error) {
			open, calling := streams.open(name), calls.flying.Load()
			return open > 0 && calling > 0, fmt.Errorf("%d streams, %d calls", open, calling)
		})
		wait(t, rand.N(30*time.Millisecond)) // at any point of a block
		p := c.Process(name)
		began := run.Now()
		must(t, p.Signal(syscall.SIGTERM))
		ctx, cancel := bounded(t)
		err := p.Await(ctx)
		s.add(name, run.Now()-began, err)
		must(t, p.Start())
		must(t, p.AwaitReady(ctx))
		cancel()
		if err != nil {
			t.Fatalf("stop %d, of %s: %v", i+1, name, err)
		}
		head = headAbove(t, client, head+1)
	}
	calls.end()
	streams.end()
	run.judge(t)
}

// wait lets time go by, so that a signal comes at another moment each time.
func wait(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// calls are produce_block calls that are made without a pause.
type calls struct {
	flying atomic.Int32
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func (o *observation) inFlight(t *testing.T, api *rest.Client, callers int) *calls {
	ctx, cancel := context.WithCancel(t.Context())
	c := &calls{cancel: cancel}
	for i := range callers {
		c.all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.flying.Add(1)
				call := o.produce(t, api, fmt.Sprintf("caller-%d-%d", i, n))
				c.flying.Add(-1)
				if call.Err != "" && t.Context().Err() == nil {
					t.Errorf("call %s was not answered: %s", call.Request, call.Err)
				}
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

// end waits for the answers to the calls under way.
func (c *calls) end() { c.cancel(); c.all.Wait() }

// stopped is how the stops went.
type stopped struct {
	mu    sync.Mutex
	clean int
	took  map[string][]time.Duration
}

func (s *stopped) add(name string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.took == nil {
		s.took = map[string][]time.Duration{}
	}
	s.took[name] = append(s.took[name], took)
	if err == nil {
		s.clean++
	}
}

func (s *stopped) report(t *testing.T, stops int) {
	var all []time.Duration
	for _, name := range slices.Sorted(maps.Keys(s.took)) {
		all = append(all, s.took[name]...)
		t.Logf("%s: SIGTERM → exit: %s", name, figures(s.took[name]))
	}
	t.Logf("%d of %d ended with exit code 0: %s", s.clean, stops, figures(all))
	if s.clean != stops {
		t.Errorf("%d of %d stops were clean", s.clean, stops)
	}
	if p99 := quantile(all, 0.99); p99 > stopWithin99 {
		t.Errorf("SIGTERM → exit: p99 %s, the bound is %s", p99, stopWithin99)
	}
}
