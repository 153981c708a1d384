package bundling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/notify"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// poolWorkers are how many accounts the pool works for at the same time. It mostly waits for the observer and the rollup.
const poolWorkers = 16

// Pool seals queued transactions when it is their turn: when all before them are executed, or sealed here (rule E3). It is woken
// for an account when one of its transactions is sealed. What happens elsewhere, the Watcher sees and wakes it.
type Pool struct {
	d     *Intake
	mu    sync.Mutex
	woken map[common.Address]bool
	wakes notify.Wake
}

func newPool(d *Intake) *Pool {
	return &Pool{d: d, woken: map[common.Address]bool{}, wakes: notify.NewWake()}
}

// Pool is the one of the transactions that the intake has queued.
func (d *Intake) Pool() *Pool { return d.pool }

// wake has the pool look at what is queued of some accounts.
func (p *Pool) wake(accounts ...common.Address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range accounts {
		if _, queued := p.d.o.Box.FirstQueued(a); queued {
			p.woken[a] = true
			p.wakes.Notify()
		}
	}
}

func (p *Pool) take() map[common.Address]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	woken := p.woken
	p.woken = map[common.Address]bool{}
	return woken
}

// Run seals what is queued until ctx ends or the disk fails.
func (p *Pool) Run(ctx context.Context) error {
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(poolWorkers)
	p.wake(p.d.o.Box.Queuing()...)
	for {
		select {
		case <-working.Done():
			return workers.Wait()
		case <-p.wakes.C():
		}
		for account := range p.take() {
			workers.Go(func() error { return p.sealAll(working, account) })
		}
	}
}

// sealAll seals what is queued of an account, one after the other, as far as it is its turn.
func (p *Pool) sealAll(ctx context.Context, account common.Address) error {
	for {
		item, queued := p.d.o.Box.FirstQueued(account)
		if !queued {
			return nil
		}
		next, err := p.sealFirst(ctx, item)
		if err != nil || !next {
			return err
		}
	}
}

// sealFirst seals the first queued transaction of an account if it is its turn. next says whether to look at the one after it.
// What it cannot do now stays queued.
func (p *Pool) sealFirst(ctx context.Context, item outbox.Item) (next bool, err error) {
	d := p.d
	content, err := d.o.Box.Content(item.Hash)
	if err != nil || content == nil {
		return err == nil, err
	}
	tx, err := d.check(content.Raw)
	if err != nil { // it was good once: the chain's limits have changed
		return true, d.o.end(ctx, item, Dropped, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.AcceptTimeout)
	defer cancel()
	done, err := d.turns.takeAll(ctx, tx.accounts)
	if err != nil {
		return false, nil
	}
	defer done()
	if _, queued := d.o.Box.Waiting(item.Hash); !queued {
		return true, nil // replaced meanwhile, or somebody else was here
	}
	var a admission
	if err = d.settle(ctx, tx.accounts); err == nil {
		a, err = d.admit(ctx, tx)
	}
	switch {
	case errors.Is(err, outbox.ErrStorage):
		return false, err
	case errors.Is(err, ErrShown):
		return true, d.o.end(ctx, item, Dropped, err.Error())
	case errors.Is(err, ErrNonce), errors.Is(err, rollup.ErrAway):
		return false, nil // how it ended, the watcher finds out
	case err != nil:
		d.o.Box.Why(item.Hash, err.Error())
		return false, nil
	case a.queue:
		d.o.Box.Why(item.Hash, waitsFor(a.early))
		return false, nil
	}
	return p.seal(ctx, tx, a)
}

func waitsFor(nonce uint64) string { return fmt.Sprintf("waits for nonce %d of its sender", nonce) }

// seal seals a queued transaction and hands it in. It is sealed for good once that is on the disk: whatever the leader says then,
// the watcher brings it in, and no other one of its nonce is sealed.
func (p *Pool) seal(ctx context.Context, tx *transaction, a admission) (next bool, err error) {
	d, start := p.d, time.Now()
	if d.busy.Acquire(ctx, 1) != nil {
		return false, nil
	}
	item, ok := d.o.Box.Promote(tx.Hash(), a.use, a.leaders)
	if !ok {
		d.busy.Release(1)
		return true, nil
	}
	item, sealed, err := d.o.seal(item, tx.Transaction, tx.raw, a.lead)
	d.busy.Release(1)
	if err != nil {
		d.o.Box.Demote(item.Hash)
		d.o.Box.Why(item.Hash, err.Error())
		return false, nil
	}
	d.o.Recorder.Sealed(time.Since(start))
	err = d.handIn(ctx, item, tx, sealed, a.lead)
	if errors.Is(err, outbox.ErrStorage) {
		return false, err
	}
	d.o.Box.Accept(item.Hash, time.Now().Add(backoff(0)))
	if err != nil {
		d.o.Log.DebugContext(ctx, "queued transaction is sealed and not handed in yet", "hash", item.Hash, "id", item.ID, "error", err)
		return false, nil
	}
	d.o.Box.HandedIn(item.Hash)
	p.wake(tx.accounts...)
	return true, nil
}

// queueWait is how long to wait after a number of looks at a queued transaction.
func queueWait(visits int) time.Duration {
	return jitter(min(time.Duration(float64(firstWait)*math.Pow(1.5, float64(min(visits, 20)))), mostQueueWait))
}

// lookQueued looks at the queued transactions that are due for it: of each account the first. It wakes the pool when it is their
// turn, and ends those that can never run.
func (w *Watcher) lookQueued(ctx context.Context, now time.Time) error {
	for {
		items := w.o.Box.QueuedDue(now, rollup.MaxLook)
		if len(items) == 0 {
			return nil
		}
		queries := make([]rollup.Query, len(items))
		for i, item := range items {
			w.o.Box.Postpone(item.Hash, now, queueWait)
			queries[i] = rollup.Query{Hash: item.Hash, From: item.From}
		}
		bounded, cancel := context.WithTimeout(ctx, callTimeout)
		states, err := w.o.Observer.Look(bounded, queries)
		cancel()
		if err != nil {
			w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
			return nil
		}
		for i, item := range items {
			err = errors.Join(err, w.judgeQueued(ctx, item, states[i]))
		}
		if err != nil {
			return err
		}
	}
}

func (w *Watcher) judgeQueued(ctx context.Context, item outbox.Item, s rollup.State) error {
	switch used := s.Nonce > item.Nonce; {
	case time.Since(time.Unix(int64(item.Since), 0)) > w.o.MaxAge:
		return w.end(ctx, item, Expired, fmt.Sprintf("not sealed after %s", w.o.MaxAge))
	case s.Err != nil:
	case s.Included || used:
		if result, reason := w.judge(item, s); result != "" {
			return w.end(ctx, item, result, reason)
		}
	case w.o.Box.NextNonce(item.From, s.Nonce) == item.Nonce:
		w.pool.wake(item.From)
	}
	return nil
}
