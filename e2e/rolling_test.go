package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/e2e/rest"
)

const (
	// stillAtMost is how long blocks may stop while a program is exchanged.
	stillAtMost = 10 * time.Second
	// redisAway is how long Redis is not there.
	redisAway = 2 * time.Second
)

// Every program but the gateway is stopped with SIGTERM and started again, one after the other, then the leading producer is
// killed, while callers make blocks, send transactions and read through the gateway. None of them tries anything twice, and
// every request is answered as if nothing had happened.
func TestARollingUpdateOfEveryProgramFailsNoRequest(t *testing.T) {
	ack := []string{"--ack-replicas", "1"}
	c := start(t, cluster.Options{
		Replicas: []cluster.Replica{{Name: standbyB}}, Args: map[string][]string{cluster.Producer: ack, standbyB: ack},
	})
	client, accounts := wallet(t, c)
	o := watched(t, c, client, nil, 0)
	o.Add(func(h *history.History) { h.Wiped = true })
	s := o.strictly(t, accounts[:2])
	s.eventually(t, "each kind of request answered", 5)

	for _, update := range []struct {
		name string
		do   func()
	}{
		{"the standby restarted", func() { s.restart(t, o.standby(t)) }},
		{"the leading producer restarted", func() { s.restart(t, o.leader(t)) }},
		{"proposer-svc restarted", func() { s.restart(t, cluster.Proposer) }},
		{"monitor-svc restarted", func() { s.restart(t, cluster.Monitor) }},
		{"dsn-node sequencer restarted", func() { s.restart(t, cluster.DSN) }},
		{"Redis restarted without its data", func() { s.restart(t, cluster.Redis) }},
		{"Redis away, with its data", func() { s.suspend(t, cluster.Redis) }},
		{"the leading producer killed", func() { s.kill(t, o.leader(t)) }},
	} {
		began := s.begin()
		update.do()
		s.eventually(t, "requests answered after "+update.name, 5)
		t.Logf("%s: %s in all, longest call %s, head still for at most %s", update.name, time.Since(began).Round(time.Millisecond),
			time.Duration(s.slowest.Load()).Round(time.Millisecond), time.Duration(s.still.Load()).Round(time.Millisecond))
	}
	s.end()
	repeats := 0.0
	for _, reason := range []string{"no_leader", "unavailable", "succeeded"} {
		repeats += metric(t, c, cluster.Gateway, fmt.Sprintf(`blindseq_gateway_repeats_total{backend="leader",reason=%q}`, reason))
	}
	o.judge(t)
	t.Logf("%d blocks on demand, %d transactions, %d reads: %d requests failed; %.0f repeats by the gateway; head still for at most %s",
		s.blocks.Load(), s.sent.Load(), s.reads.Load(), s.failed.Load(), repeats, time.Duration(s.stillest).Round(time.Millisecond))
	if s.stillest > stillAtMost {
		t.Errorf("the head stood still for %s, at most %s are allowed", s.stillest, stillAtMost)
	}
	if repeats == 0 {
		t.Error("the gateway repeated nothing: this was no test of it")
	}
}

// strict is load that tries nothing twice.
type strict struct {
	*observation
	blocks, sent, reads, failed atomic.Int64
	slowest, still              atomic.Int64 // ns, since begin
	stillest                    time.Duration

	cancel  context.CancelFunc
	callers sync.WaitGroup
}

// strictly begins the load: callers of produce_block, senders of transactions, readers of what the leader and of what any
// replica may answer.
func (o *observation) strictly(t *testing.T, senders []*load.Account) *strict {
	ctx, cancel := context.WithCancel(t.Context())
	s := &strict{observation: o, cancel: cancel}
	t.Cleanup(s.end)
	api := rest.New(o.c.REST, 4)
	t.Cleanup(api.Close)
	for i := range 4 {
		n := 0
		s.keep(ctx, t, "produce_block", &s.blocks, func(ctx context.Context) error {
			n++
			return s.makeBlock(ctx, api, fmt.Sprintf("caller-%d-%d", i, n))
		})
	}
	for _, a := range senders {
		s.keep(ctx, t, "eth_sendRawTransaction", &s.sent, func(ctx context.Context) error { return s.sendOne(ctx, a) })
	}
	s.keep(ctx, t, "eth_getTransactionCount", &s.reads, func(ctx context.Context) error {
		_, err := o.client.PendingNonceAt(ctx, senders[0].Address)
		return err
	})
	s.keep(ctx, t, "eth_getBalance", &s.reads, func(ctx context.Context) error {
		_, err := o.client.BalanceAt(ctx, senders[0].Address, nil)
		return err
	})
	s.keep(ctx, t, "/v1/proposals", &s.reads, func(ctx context.Context) error {
		_, _, err := api.Do(ctx, "GET", "/v1/proposals?limit=5", nil, "")
		return err
	})
	s.callers.Go(func() { s.watchHead(ctx) })
	return s
}

// keep makes one call after the other until ctx ends. One that fails is a failure of the test; the last may be cut off.
func (s *strict) keep(ctx context.Context, t *testing.T, what string, count *atomic.Int64, call func(context.Context) error) {
	s.callers.Go(func() {
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			began := time.Now()
			err := call(context.WithoutCancel(ctx))
			took := time.Since(began)
			for was := s.slowest.Load(); int64(took) > was && !s.slowest.CompareAndSwap(was, int64(took)); was = s.slowest.Load() {
			}
			if count.Add(1); err != nil {
				s.failed.Add(1)
				t.Errorf("at %s, after %s: %s: %v", s.Now().Round(time.Millisecond), took.Round(time.Millisecond), what, err)
			}
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
	})
}

func (s *strict) makeBlock(ctx context.Context, api *rest.Client, id string) error {
	call := history.Call{Request: id, Start: s.Now()}
	answer, err := api.ProduceBlock(ctx, id, "")
	if err == nil {
		answered(&call, answer)
	} else {
		call.Err = err.Error()
	}
	call.End = s.Now()
	s.Add(func(h *history.History) { h.Calls = append(h.Calls, call) })
	if err == nil && call.Number == 0 {
		err = fmt.Errorf("no block: %s", call.Reason)
	}
	return err
}

func (s *strict) sendOne(ctx context.Context, a *load.Account) error {
	tx, err := a.Transfer(a.Address)
	if err != nil {
		return err
	}
	ack := history.Ack{Tx: tx.Hash(), By: a.Address.Hex(), Sent: s.Now()}
	if err := s.client.SendTransaction(ctx, tx); err != nil {
		return fmt.Errorf("transaction %d: %w", tx.Nonce(), err)
	}
	ack.At = s.Now()
	s.Add(func(h *history.History) { h.Acks = append(h.Acks, ack) })
	return nil
}

// watchHead measures how long the head stands still, as readers see it.
func (s *strict) watchHead(ctx context.Context) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	head, since := uint64(0), time.Now()
	for ctx.Err() == nil {
		if n, err := s.client.BlockNumber(ctx); err == nil && n > head {
			still := time.Since(since)
			s.still.Store(max(s.still.Load(), int64(still)))
			s.stillest = max(s.stillest, still)
			head, since = n, time.Now()
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// begin begins to measure anew.
func (s *strict) begin() time.Time {
	s.slowest.Store(0)
	s.still.Store(0)
	return time.Now()
}

// eventually waits until so many more requests of each kind are answered.
func (s *strict) eventually(t *testing.T, what string, more int64) {
	t.Helper()
	blocks, sent, reads := s.blocks.Load()+more, s.sent.Load()+more, s.reads.Load()+more
	eventually(t, what, func(context.Context) (bool, error) {
		b, n, r := s.blocks.Load(), s.sent.Load(), s.reads.Load()
		return b >= blocks && n >= sent && r >= reads, fmt.Errorf("%d of %d blocks, %d of %d transactions, %d of %d reads", b, blocks, n, sent, r, reads)
	})
}

// end lets the calls under way be answered.
func (s *strict) end() { s.cancel(); s.callers.Wait() }

// restart exchanges a program: SIGTERM, and the next one when it has ended. Redis is away for a while.
func (s *strict) restart(t *testing.T, name string) {
	t.Helper()
	must(t, s.c.Process(name).Stop())
	if name == cluster.Redis {
		wait(t, redisAway)
	}
	restart(t, s.c, name)
}

func (s *strict) suspend(t *testing.T, name string) {
	t.Helper()
	must(t, s.c.Process(name).Signal(syscall.SIGSTOP))
	wait(t, redisAway)
	must(t, s.c.Process(name).Signal(syscall.SIGCONT))
}

func (s *strict) kill(t *testing.T, name string) {
	t.Helper()
	must(t, s.c.Process(name).Kill())
	restart(t, s.c, name)
}

// standby is the producer that does not lead.
func (o *observation) standby(t *testing.T) string {
	t.Helper()
	if o.leader(t) == cluster.Producer {
		return standbyB
	}
	return cluster.Producer
}
