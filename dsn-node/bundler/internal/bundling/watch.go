package bundling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"

	"github.com/ethereum/go-ethereum/common"
)

// How transactions end, as in logs and metrics.
const (
	Included = outbox.Included
	Replaced = outbox.Replaced
	Skipped  = outbox.Skipped
	Expired  = outbox.Expired
	Dropped  = outbox.Dropped
)

const (
	pollEvery   = 250 * time.Millisecond
	probeEvery  = 5 * time.Second
	probeAgain  = 500 * time.Millisecond // while the rollup cannot be used: it may just be starting
	callTimeout = 10 * time.Second
)

// Watcher follows the transactions that were accepted until they end, and hands in again what the leader does not have.
type Watcher struct {
	o      Options
	pool   *Pool
	health Health
	once   map[common.Hash]bool   // seen once with a used nonce
	ended  map[common.Hash]string // ordered and not executed, with the reason
	waits  uint64                 // seq that the leader waited for lately
}

// Health takes why a node cannot be used, empty when it can.
type Health struct{ Leader, Observer func(reason string) }

// NewWatcher makes a watcher that wakes a pool, and tells health how the nodes are.
func NewWatcher(o Options, pool *Pool, health Health) *Watcher {
	return &Watcher{o: o, pool: pool, health: health, once: map[common.Hash]bool{}, ended: map[common.Hash]string{}}
}

// Run follows transactions until ctx ends or the disk fails.
func (w *Watcher) Run(ctx context.Context) error {
	poll, probe := time.NewTicker(pollEvery), time.NewTimer(w.probe(ctx))
	defer poll.Stop()
	defer probe.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-probe.C:
			probe.Reset(w.probe(ctx))
		case now := <-poll.C:
			err = errors.Join(w.repair(ctx), w.round(ctx, now), w.lookQueued(ctx, now))
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// probe asks whether the nodes are there and of the committee's chain, and says when to ask again.
func (w *Watcher) probe(ctx context.Context) time.Duration {
	leader, observer := w.usable(ctx, w.o.Leader.ChainID), w.usable(ctx, w.o.Observer.ChainID)
	w.health.Leader(leader)
	w.health.Observer(observer)
	if leader != "" || observer != "" {
		return jitter(probeAgain)
	}
	return jitter(probeEvery)
}

// usable says why a node cannot be used, nothing when it can.
func (w *Watcher) usable(ctx context.Context, chainID func(context.Context) (uint64, error)) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	chain, err := chainID(ctx)
	switch want := w.o.Committee.ChainID; {
	case err != nil:
		return err.Error()
	case chain != want:
		return fmt.Sprintf("its chain is %d, the committee's %d", chain, want)
	}
	return ""
}

// round looks at everything that is due at a time. A look makes it due later.
func (w *Watcher) round(ctx context.Context, now time.Time) error {
	for {
		items := w.o.Box.Due(now, rollup.MaxLook)
		if len(items) == 0 {
			return nil
		}
		for _, item := range items {
			w.o.Box.Postpone(item.Hash, now, backoff)
		}
		if err := w.look(ctx, items); err != nil {
			return err
		}
	}
}

// look finds out about some items by their ids. The observer says of those that are ordered how they ended. What the leader does
// not have of the others is handed in again.
func (w *Watcher) look(ctx context.Context, items []outbox.Item) error {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	states, err := w.o.Observer.Statuses(bounded, ids(items))
	if err != nil {
		w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
		return nil
	}
	var ended, waiting []outbox.Item
	for i, item := range items {
		switch s := states[i]; {
		case s.Public():
			w.o.Box.Ordered(s.Number)
			if s.Executed() {
				err = errors.Join(err, w.end(ctx, item, Included, fmt.Sprintf("block %d", s.Number)))
			} else if s.Ended() {
				ended = append(ended, item)
				w.ended[item.Hash] = s.Reason
			}
		case time.Since(time.Unix(int64(item.Since), 0)) > w.o.MaxAge:
			err = errors.Join(err, w.end(ctx, item, Expired, fmt.Sprintf("not in a block after %s", w.o.MaxAge)))
		default:
			waiting = append(waiting, item)
		}
	}
	return errors.Join(err, w.judgeAll(ctx, bounded, ended), w.bringBack(bounded, waiting))
}

func ids(items []outbox.Item) []common.Hash {
	ids := make([]common.Hash, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids
}

// bringBack hands in again those items that the leader does not have.
func (w *Watcher) bringBack(ctx context.Context, items []outbox.Item) error {
	if len(items) == 0 {
		return nil
	}
	at, err := w.o.lead(ctx) // before the items: what is below its seq has a status then
	var states []rollup.Status
	if err == nil {
		states, err = w.o.Leader.Statuses(ctx, ids(items))
	}
	if err != nil {
		w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
		return nil
	}
	var missing []outbox.Item
	for i, item := range items {
		if !states[i].Held() {
			missing = append(missing, item)
		}
	}
	return w.resendAll(ctx, at, missing)
}

// judgeAll finds out how items ended whose sealed transactions were ordered and not executed. They are public.
func (w *Watcher) judgeAll(ctx, bounded context.Context, items []outbox.Item) error {
	if len(items) == 0 {
		return nil
	}
	queries := make([]rollup.Query, len(items))
	for i, item := range items {
		queries[i] = rollup.Query{Hash: item.Hash, From: item.From}
	}
	states, err := w.o.Observer.Look(bounded, queries)
	if err != nil {
		w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
		return nil
	}
	for i, item := range items {
		if result, reason := w.judge(item, states[i]); result != "" {
			err = errors.Join(err, w.end(ctx, item, result, reason))
		}
	}
	return err
}

// judge says how such an item ended; nothing when that is not sure yet. Another sealed transaction may have brought it into a
// block. A used nonce must be seen twice: between two blocks a rollup behind a balancer may show the nonce of one replica and
// the receipts of another.
func (w *Watcher) judge(item outbox.Item, s rollup.State) (result, reason string) {
	switch used := s.Nonce > item.Nonce; {
	case s.Err != nil:
		return "", ""
	case s.Included:
		w.o.Box.Ordered(s.Block)
		return Included, fmt.Sprintf("block %d", s.Block)
	case !used:
		return Skipped, w.ended[item.Hash]
	case w.once[item.Hash]:
		return Replaced, fmt.Sprintf("nonce %d was used by another transaction", item.Nonce)
	}
	w.once[item.Hash] = true
	return "", ""
}

func (w *Watcher) end(ctx context.Context, item outbox.Item, result, reason string) error {
	delete(w.once, item.Hash)
	delete(w.ended, item.Hash)
	return w.o.end(ctx, item, result, reason)
}

// end forgets an item. Why it is in no block is remembered.
func (o *Options) end(ctx context.Context, item outbox.Item, result, reason string) (err error) {
	// gofail: var sealedRemoving struct{}
	if result == Included {
		err = o.Box.Remove(item.Hash)
	} else {
		err = o.Box.End(item.Hash, outbox.Ending{Result: result, Reason: reason})
	}
	if err != nil {
		return err
	}
	o.tell(ctx, item, result, reason)
	return nil
}

// tell records how an item ended.
func (o *Options) tell(ctx context.Context, item outbox.Item, result, reason string) {
	o.Recorder.Ended(result, time.Since(time.Unix(int64(item.Since), 0)))
	if result == Included {
		o.Log.DebugContext(ctx, "transaction is in a block", "hash", item.Hash, "reason", reason)
	} else {
		o.Log.WarnContext(ctx, "transaction will not be in a block", "hash", item.Hash, "id", item.ID, "result", result, "reason", reason)
	}
}
