package k8s

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/e2e/observe"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// run is a deployment under load: plain transfers of some accounts, and blocks on demand. What users see is recorded.
type run struct {
	*history.Recorder
	s        *system
	stop     context.CancelFunc
	load     sync.WaitGroup
	failed   atomic.Int64 // requests of produce_block
	produced atomic.Int64
	slowest  atomic.Int64 // wait between two heads, in nanoseconds
}

// underLoad starts the load; it ends with judge, or with the test.
func (s *system) underLoad(t *testing.T) *run {
	t.Helper()
	if !s.direct {
		t.Skip("needs a way to the Services, since a forwarded port ends with its pod: `make k8s-e2e` on a node of the cluster has one")
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &run{Recorder: history.NewRecorder(), s: s, stop: stop}
	t.Cleanup(func() { stop(); r.load.Wait() })
	for _, a := range s.accounts(t)[:4] {
		r.load.Go(func() {
			if err := load.Stream(ctx, s.rpc, a, 100*time.Millisecond, r.Recorder); err != nil {
				t.Errorf("load of %s: %v", a.Address, err)
			}
		})
	}
	r.load.Go(func() { r.demand(ctx, t) })
	r.load.Go(func() { r.watch(ctx) })
	return r
}

// demand makes a block every now and then; each request must be answered with one.
func (r *run) demand(ctx context.Context, t *testing.T) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := r.s.produce(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.failed.Add(1)
			t.Errorf("at %s: %v", r.Now().Round(time.Millisecond), err)
		default:
			r.produced.Add(1)
		}
	}
}

// watch measures how long the head stands still.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	head, since := uint64(0), time.Now()
	for ctx.Err() == nil {
		if n, err := r.s.rpc.BlockNumber(ctx); err == nil && n > head {
			r.slowest.Store(max(r.slowest.Load(), int64(time.Since(since))))
			head, since = n, time.Now()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// judge ends the load, and looks for every acknowledged transaction in exactly one block.
func (r *run) judge(t *testing.T) {
	t.Helper()
	r.stop()
	r.load.Wait()
	must(t, r.s.produce(t.Context()))
	acks := r.History().Acks
	for _, ack := range acks {
		eventually(t, "receipt of "+ack.Tx.Hex(), func(ctx context.Context) (bool, error) {
			_, err := r.s.rpc.TransactionReceipt(ctx, ack.Tx)
			return err == nil, err
		})
	}
	_, err := observe.Blocks(t.Context(), r.s.rpc, "gateway", r.Recorder)
	must(t, err)
	for _, v := range history.Check(r.History()) {
		t.Error(v)
	}
	t.Logf("%d transactions acknowledged and in a block each, %d blocks on demand, %d failed requests, head still for at most %s",
		len(acks), r.produced.Load(), r.failed.Load(), time.Duration(r.slowest.Load()).Round(time.Millisecond))
	if len(acks) == 0 || r.produced.Load() == 0 {
		t.Error("there was no load")
	}
}

// Scaling takes nobody's request, and gives the new pods their share.
func TestScalingUpAndDownUnderLoadFailsNoRequestAndSpreadsTheWork(t *testing.T) {
	for _, name := range []string{"api-gw", "proposer-svc", "monitor-svc"} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			r := s.underLoad(t)
			workload := "deployment/" + name
			must(t, s.Scale(t.Context(), workload, 3))
			t.Cleanup(func() {
				if err := s.Scale(context.WithoutCancel(t.Context()), workload, 1); err != nil {
					t.Error(err)
				}
			})
			s.eachWorks(t, name)
			must(t, s.Scale(t.Context(), workload, 1))
			r.judge(t)
		})
	}
}

// eachWorks waits until every pod of a service has been asked something since now.
func (s *system) eachWorks(t *testing.T, name string) {
	t.Helper()
	metric := "blindseq_grpc_server_seconds_count"
	if name == "api-gw" {
		metric = "blindseq_gateway_requests_total"
	}
	pods, err := s.Pods(t.Context(), name)
	must(t, err)
	if len(pods) != 3 {
		t.Fatalf("%s has %d pods", name, len(pods))
	}
	begin := map[string]float64{}
	for _, p := range pods {
		begin[p.Name], err = s.Metric(t.Context(), p, metric)
		must(t, err)
	}
	eventually(t, "work of every pod of "+name, func(ctx context.Context) (bool, error) {
		for _, p := range pods {
			now, err := s.Metric(ctx, p, metric)
			if err != nil {
				return false, err
			}
			if now < begin[p.Name]+5 {
				return false, fmt.Errorf("%s has answered %g calls since", p.Name, now-begin[p.Name])
			}
		}
		return true, nil
	})
}

// A rolling update of everything, one workload after the other, takes nobody's request.
func TestARollingUpdateOfEveryWorkloadFailsNoRequest(t *testing.T) {
	s := open(t)
	r := s.underLoad(t)
	workloads, err := s.Workloads(t.Context())
	must(t, err)
	for _, w := range workloads {
		began := r.Now()
		must(t, s.Restart(t.Context(), w))
		t.Logf("%s: %s", w, (r.Now() - began).Round(time.Second))
	}
	r.judge(t)
	if still := time.Duration(r.slowest.Load()); still > 10*time.Second {
		t.Errorf("the head stood still for %s", still)
	}
}

// The pod of a producer that leads is killed: somebody leads within 10 seconds, and nothing acknowledged is lost.
func TestKillingTheLeadingProducerLosesNothing(t *testing.T) {
	s := open(t)
	r := s.underLoad(t)
	eventually(t, "some acknowledged transactions", func(context.Context) (bool, error) { return len(r.History().Acks) > 20, nil })
	var head hexutil.Uint64
	must(t, s.rpc.Client().CallContext(t.Context(), &head, "eth_blockNumber"))
	pod := s.leading(t)
	must(t, s.Kill(t.Context(), pod))
	must(t, s.AwaitRollout(t.Context(), "statefulset/producer-svc"))
	eventually(t, "a block after the kill", func(ctx context.Context) (bool, error) {
		now, err := s.rpc.BlockNumber(ctx)
		return now > uint64(head)+1, err
	})
	r.judge(t)
}

// leading is the pod that says that it leads.
func (s *system) leading(t *testing.T) (pod string) {
	t.Helper()
	eventually(t, "a leading producer", func(ctx context.Context) (bool, error) {
		pods, err := s.Pods(ctx, "producer-svc")
		if err != nil {
			return false, err
		}
		for _, p := range pods {
			if v, err := s.Metric(ctx, p, "blindseq_producer_leading"); err == nil && v == 1 {
				pod = p.Name
				return true, nil
			}
		}
		return false, nil
	})
	return pod
}
