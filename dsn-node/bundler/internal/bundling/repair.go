package bundling

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"

	"github.com/ethereum/go-ethereum/core/types"
)

// repairs bound how many seqs are repaired in one go: the leader is asked after each.
const repairs = 64

// repair hands in what the leader waits for, when it has waited since the last call: the item with that seq, or, if no item
// has it, the first one after it, sealed anew. That is so when the leader lost its pool, when an item was refused or given up,
// and when the sequence began again at 0. If the leader has an item under an old seq too, that one ends there, its nonce used.
func (w *Watcher) repair(ctx context.Context) error {
	if w.o.Box.Sealed() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for i := range repairs {
		at, err := w.o.lead(ctx)
		if err != nil {
			w.o.Log.DebugContext(ctx, "rollup does not answer", "error", err)
			return nil
		}
		waited := w.waits == at.NextSeq
		w.waits = at.NextSeq
		if waited != (i == 0) {
			return nil // it has not waited so long, or what it waits for was refused just now
		}
		if again, err := w.repairOne(ctx, at); err != nil || !again {
			return err
		}
	}
	return nil
}

// repairOne hands in what the leader waits for, if there is such an item. One that is just being taken is not.
func (w *Watcher) repairOne(ctx context.Context, at lead) (again bool, err error) {
	if item, ok := w.o.Box.At(at.NextSeq); ok {
		err = w.resend(ctx, item, at)
	} else if later, missing := w.o.Box.Missing(at.NextSeq); missing {
		done, free := w.turn(later)
		if !free {
			return false, nil
		}
		defer done()
		item, ok := w.o.Box.Move(later.Hash, at.NextSeq)
		if !ok {
			return false, nil // it was removed, or the seq was taken meanwhile
		}
		err = w.sealAnew(ctx, item, at)
	} else {
		return false, nil
	}
	if errors.Is(err, rollup.ErrAway) {
		return false, nil
	}
	return err == nil, err
}

// turn takes the turn of an item's sender, if it is free and the item is as it was. While an intake or the pool has it, that one
// hands in what is missing.
func (w *Watcher) turn(item outbox.Item) (done func(), free bool) {
	done, free = w.pool.d.turns.try(item.From)
	if !free {
		return nil, false
	}
	if now, here := w.o.Box.Find(item.Hash); !here || now.Seq != item.Seq || now.ID != item.ID {
		done()
		return nil, false
	}
	return done, true
}

// resendAll hands in again what the leader does not have, in the order of seq: those that get another one keep their order.
func (w *Watcher) resendAll(ctx context.Context, at lead, missing []outbox.Item) error {
	slices.SortFunc(missing, func(a, b outbox.Item) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, item := range missing {
		if err := w.resend(ctx, item, at); errors.Is(err, rollup.ErrAway) {
			return nil // those after it are for the next look
		} else if err != nil {
			return err
		}
	}
	return nil
}

// resend hands an item in again, sealed anew if it has expired, or if the leader has something else under its seq.
func (w *Watcher) resend(ctx context.Context, item outbox.Item, at lead) error {
	done, free := w.turn(item)
	if !free {
		return nil // the next look tells
	}
	defer done()
	if item.Seq < at.NextSeq {
		renewed, ok := w.o.Box.Renew(item.Hash, at.NextSeq)
		if !ok {
			return nil
		}
		return w.sealAnew(ctx, renewed, at)
	}
	if item.Expiry <= at.Head {
		return w.sealAnew(ctx, item, at)
	}
	content, err := w.o.Box.Content(item.Hash)
	if err != nil || content == nil {
		return err
	}
	return w.submit(ctx, item, content.Sealed)
}

// sealAnew seals the transaction of an item under its seq, and hands it in. One whose nonce is used ends instead: nobody would read
// it for anything.
func (w *Watcher) sealAnew(ctx context.Context, item outbox.Item, at lead) error {
	if used, err := w.used(ctx, item); used || err != nil {
		return err
	}
	content, err := w.o.Box.Content(item.Hash)
	if err != nil || content == nil {
		return err
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(content.Raw); err != nil {
		return err
	}
	item, sealed, err := w.o.seal(item, tx, content.Raw, at)
	if err == nil {
		err = w.o.store(item, content.Raw, sealed)
	}
	if err != nil {
		return err
	}
	w.o.Log.DebugContext(ctx, "transaction sealed anew", "hash", item.Hash, "id", item.ID, "seq", item.Seq, "expiry", item.Expiry)
	return w.submit(ctx, item, sealed)
}

// used says whether the nonce of an item that nobody has read is used, and ends the item then.
func (w *Watcher) used(ctx context.Context, item outbox.Item) (bool, error) {
	states, err := w.o.Observer.Look(ctx, []rollup.Query{{Hash: item.Hash, From: item.From}})
	if err != nil || states[0].Err != nil || !states[0].Included && states[0].Nonce <= item.Nonce {
		return false, nil
	}
	if result, reason := w.judge(item, states[0]); result != "" {
		return true, w.end(ctx, item, result, reason)
	}
	return true, nil // seen once
}

// submit hands in once. Its error is rollup.ErrAway. A refusal may mean that the leader has it already; the next look tells.
func (w *Watcher) submit(ctx context.Context, item outbox.Item, sealed []byte) error {
	err := w.o.Leader.Submit(ctx, sealed)
	switch {
	case errors.Is(err, rollup.ErrAway):
		w.o.Recorder.Resent("away")
		return err
	case err != nil:
		w.o.Log.DebugContext(ctx, "sealed transaction sent again", "hash", item.Hash, "id", item.ID, "error", err)
		w.o.Recorder.Resent("refused")
	default:
		w.o.Recorder.Resent("accepted")
		w.o.Box.HandedIn(item.Hash)
	}
	return nil
}
