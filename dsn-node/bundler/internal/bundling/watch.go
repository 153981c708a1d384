package bundling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
)

// How transactions end, as in logs and metrics.
const (
	Included = "included"
	Replaced = "replaced" // its nonce was used by another
	Skipped  = "skipped"  // decided by the rollup and never to be in a block
	Expired  = "expired"
)

const (
	pollEvery   = 250 * time.Millisecond
	probeEvery  = 5 * time.Second
	probeAgain  = 500 * time.Millisecond // while the rollup cannot be used: it may just be starting
	callTimeout = 10 * time.Second
	resendAtOne = 4
)

// Watcher follows the transactions that were accepted until they end, and sends again what the rollup does not hold.
type Watcher struct {
	o      Options
	health func(reason string) // why the rollup cannot be used, empty when it can
	used   map[common.Hash]bool
}

// NewWatcher makes a watcher that tells health how the rollup is.
func NewWatcher(o Options, health func(reason string)) *Watcher {
	return &Watcher{o: o, health: health, used: map[common.Hash]bool{}}
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
			err = w.round(ctx, now)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// probe asks whether the rollup is there and of the committee's chain, and says when to ask again.
func (w *Watcher) probe(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	chain, err := w.o.Rollup.ChainID(ctx)
	switch want := w.o.Committee.ChainID; {
	case err != nil:
		w.health(err.Error())
	case chain != want:
		w.health(fmt.Sprintf("the rollup's chain is %d, the committee's %d", chain, want))
	default:
		w.health("")
		return jitter(probeEvery)
	}
	return jitter(probeAgain)
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

func (w *Watcher) look(ctx context.Context, items []outbox.Item) error {
	queries := make([]rollup.Query, len(items))
	for i, item := range items {
		queries[i] = rollup.Query{Hash: item.Hash, From: item.From}
	}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	states, err := w.o.Rollup.Look(bounded, queries)
	if err != nil {
		w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
		return nil
	}
	missing := map[common.Address][]missed{}
	for i, item := range items {
		result, reason := w.judge(item, states[i])
		switch {
		case result != "":
			err = errors.Join(err, w.end(ctx, item, result, reason))
		case states[i].Err == nil && (!states[i].Held() || states[i].Bundle != (common.Hash{})):
			missing[item.From] = append(missing[item.From], missed{item, states[i]})
		}
	}
	return errors.Join(err, w.resendAll(bounded, missing))
}

// missed is a transaction that the rollup does not hold, and what the rollup says of it.
type missed struct {
	outbox.Item
	state rollup.State
}

// resendAll sends again what the rollup does not hold: of one sender in the order of nonces, one after the other.
func (w *Watcher) resendAll(ctx context.Context, missing map[common.Address][]missed) error {
	again := &errgroup.Group{}
	again.SetLimit(resendAtOne)
	for _, list := range missing {
		slices.SortFunc(list, func(a, b missed) int { return cmp.Compare(a.Nonce, b.Nonce) })
		again.Go(func() error {
			for _, one := range list {
				if err := w.resend(ctx, one.Item, one.state); errors.Is(err, rollup.ErrAway) {
					return nil // those after it would come before it
				} else if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return again.Wait()
}

// judge says how a transaction ended; nothing when it did not. A used nonce must be seen twice: between two blocks a
// rollup behind a balancer may show the nonce of one replica and the receipts of another.
func (w *Watcher) judge(item outbox.Item, s rollup.State) (result, reason string) {
	used := s.Nonce > item.Nonce
	switch {
	case s.Err != nil:
		return "", ""
	case s.Included:
		return Included, fmt.Sprintf("block %d", s.Block)
	case s.Gone():
		return Skipped, s.Status + ": " + s.Reason
	case used && w.used[item.Hash]:
		return Replaced, fmt.Sprintf("nonce %d was used by another transaction", item.Nonce)
	case time.Since(time.Unix(int64(item.Since), 0)) > w.o.MaxAge:
		return Expired, fmt.Sprintf("not in a block after %s", w.o.MaxAge)
	}
	if used {
		w.used[item.Hash] = true
	}
	return "", ""
}

func (w *Watcher) end(ctx context.Context, item outbox.Item, result, reason string) error {
	delete(w.used, item.Hash)
	// gofail: var bundleRemoving struct{}
	if err := w.o.Box.Remove(item.Hash); err != nil {
		return err
	}
	w.o.Recorder.Ended(result, time.Since(time.Unix(int64(item.Since), 0)))
	if result == Included {
		w.o.Log.DebugContext(ctx, "transaction is in a block", "hash", item.Hash, "reason", reason)
	} else {
		w.o.Log.WarnContext(ctx, "transaction will not be in a block", "hash", item.Hash, "result", result, "reason", reason)
	}
	return nil
}

// resend sends a bundle again, unless it is the one that the rollup named: another one that is said to hold the same
// transaction is somebody else's, and may hold nothing. Its error is rollup.ErrAway or the disk's. A refusal may mean that
// the rollup has it already; the next look tells.
func (w *Watcher) resend(ctx context.Context, item outbox.Item, s rollup.State) error {
	bundle, err := w.o.Box.Bundle(item.Hash)
	if err != nil || bundle == nil || s.Held() && s.Bundle == crypto.Keccak256Hash(bundle) {
		return err
	}
	err = w.o.Rollup.Submit(ctx, bundle)
	switch {
	case errors.Is(err, rollup.ErrAway):
		w.o.Recorder.Resent("away")
		return err
	case err != nil:
		w.o.Log.DebugContext(ctx, "bundle sent again", "hash", item.Hash, "error", err)
		w.o.Recorder.Resent("refused")
	default:
		w.o.Recorder.Resent("accepted")
	}
	return nil
}
