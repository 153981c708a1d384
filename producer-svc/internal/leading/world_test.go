package leading

import (
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/sections"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/ops"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/loop"
)

// world is a producer with its real log, sections, callers and loop, among fakes.
type world struct {
	dir     string
	log     *bplog.Log
	engine  *engine.Engine
	chain   *fakes.Chain
	order   *fakes.Order
	lock    *fakes.Lock
	delayed *delayedTxs
	feed    *feed.Feed
	health  *ops.Health
	guard   *sections.Guard
	changed chan struct{}
	*Production
}

// delayedTxs stands for the store of delayed transactions.
type delayedTxs struct {
	mu  sync.Mutex
	raw map[content.Hash][]byte
}

func (d *delayedTxs) Raw(h content.Hash) ([]byte, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw, ok := d.raw[h]
	return raw, ok, nil
}

func (d *delayedTxs) add(raw []byte) content.Hash {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := content.Keccak(raw)
	d.raw[h] = raw
	return h
}

// options of a world; the zero value has an in-process lock and a loop that makes nothing by itself.
type options struct {
	lock    func(w *world) sections.Lock
	wrap    func(sections.Performer) sections.Performer
	between time.Duration
	ready   func() bool
}

// newWorld opens a producer in dir. chain and order are new ones when nil, else those of an earlier life.
func newWorld(t *testing.T, dir string, chain *fakes.Chain, order *fakes.Order, o options) *world {
	t.Helper()
	w := &world{dir: dir, chain: chain, order: order, delayed: &delayedTxs{raw: map[content.Hash][]byte{}}, health: ops.NewHealth(), changed: make(chan struct{}, 1)}
	if w.chain == nil {
		w.chain = fakes.NewChain()
		w.order = fakes.NewOrder(w.chain.Head)
	}
	var err error
	if w.log, err = bplog.Open(dir, bplog.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close() })
	logger := slog.New(slog.DiscardHandler)
	w.feed = feed.New(nil, w.chain.Head().Number)
	end := engine.NewEnd(w.health)
	w.engine = engine.New(engine.Deps{Log: w.log, Chain: w.chain, Delayed: w.delayed, Publisher: w.feed, End: end})
	if err := w.engine.Replay(t.Context(), logger); err != nil {
		t.Fatal(err)
	}
	w.feed.Publish(w.chain.Head().Number)
	w.lock = fakes.NewLock(w.log.LastToken)
	var lock sections.Lock = w.lock
	if o.lock != nil {
		lock = o.lock(w)
	}
	performer := sections.NewPerformer(sections.Deps{
		Lock: lock, Proposer: w.order, Monitor: w.order, Engine: w.engine, Now: time.Now, Await: 50 * time.Millisecond,
	})
	if o.wrap != nil {
		performer = o.wrap(performer)
	}
	w.guard = sections.NewGuard(sections.NewRunner(performer, time.Minute, logger), func(reason string) { w.health.Set("production", reason) })
	if o.ready == nil {
		o.ready = func() bool { return false }
	}
	w.Production = New(Deps{
		Sections: w.guard, Known: w.engine.Known, End: end, MaxWaiting: 1024,
		Loop: loop.Deps{Pacer: loop.NewPacer(loop.Pace{Transactions: o.between > 0, Between: o.between}), Age: w.feed.Age, Ready: o.ready, Changed: w.changed},
	})
	return w
}

// run leads until the test ends or stop is called; it waits for the lead to have ended.
func (w *world) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Lead(ctx, 1) }()
	fakes.WaitFor(t, w.Stance.Leads)
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("lead: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// copyDir is what a crash leaves on disk.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// checkHistory tests what must always hold of the log, the chain and the feed: S1, S2, S11, S12, and that no request
// has two blocks.
func (w *world) checkHistory(t *testing.T) {
	t.Helper()
	requests := map[string]uint64{}
	var token uint64
	parent, _ := w.chain.BlockHash(0)
	for n := uint64(1); n <= w.log.Last(); n++ {
		rec, err := w.log.Get(n)
		if err != nil {
			t.Fatal(err)
		}
		if content.Hash(rec.GetParentHash()) != parent {
			t.Errorf("S2: blueprint %d is not on its predecessor", n)
		}
		if rec.GetToken() < token {
			t.Errorf("S12: blueprint %d has token %d after %d", n, rec.GetToken(), token)
		}
		if first, twice := requests[rec.GetRequestId()]; twice {
			t.Errorf("S3: request %s gave blueprints %d and %d", rec.GetRequestId(), first, n)
		}
		token, requests[rec.GetRequestId()] = rec.GetToken(), n
		parent, _ = w.chain.BlockHash(n)
	}
	if head := w.chain.Head().Number; head != w.log.Last() || w.feed.Head() != head {
		t.Errorf("S1: log %d, chain %d, feed %d", w.log.Last(), head, w.feed.Head())
	}
}
