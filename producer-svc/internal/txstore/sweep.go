package txstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	sweepGroup = 1000
	// A count that agrees by accident (one dropped, one in the pool that is not stored) is found after so many sweeps.
	sweepsUntilFull = 60
)

// Applied is called for every applied block. Transactions in it, delayed ones too, are forgotten. Skipped ones
// are recorded; the acknowledgement of one that is still in the pool stays, for it may yet be executed. Delayed ones that wait
// for a later block are forgotten as well: they are the chain's now, and must not be ordered again.
func (k *Keeper) Applied(number uint64, included []common.Hash, skipped []Ending, waiting []common.Hash) error {
	var ended, noted []Ending
	gone := slices.Concat(included, waiting)
	for _, one := range skipped {
		one.Kind, one.Number = Skipped, number
		if _, ok := k.pool.Included(one.Hash); ok {
			continue // the same bytes twice in one block, or again in a later one
		}
		gone = append(gone, one.Hash)
		if k.pool.Pooled(one.Hash) {
			noted = append(noted, one)
		} else {
			ended = append(ended, one)
		}
	}
	// gofail: var transactionForgetting struct{}
	err := cmp.Or(k.store.Remove(included), k.store.RemoveDelayed(gone), k.store.Note(noted), k.store.End(ended))
	if err != nil {
		return fmt.Errorf("record the transactions of block %d: %w", number, err)
	}
	return nil
}

// Warm puts acknowledged transactions into the pool in order of arrival, and forgets those in a block. It ends none: a standby
// may be behind, and the pool may accept later what it refuses now.
func (k *Keeper) Warm(ctx context.Context) error {
	if err := k.forgetDelayed(); err != nil {
		return fmt.Errorf("warm the pool: %w", err)
	}
	if err := k.each(ctx, k.warm); err != nil {
		return fmt.Errorf("warm the pool: %w", err)
	}
	return nil
}

// Offered puts transactions into the pool that another replica acknowledged and that are kept here; it ends nothing.
func (k *Keeper) Offered(txs []Tx) error { return k.warm(txs) }

// Recover is Warm for a leader that has caught up: what the pool refuses has ended. Call it before Run.
func (k *Keeper) Recover(ctx context.Context) error {
	err := k.forgetDelayed()
	if err == nil {
		err = k.sweep(ctx, true)
	}
	if err != nil {
		return fmt.Errorf("recover transactions: %w", err)
	}
	return nil
}

// Run looks after acknowledged transactions until ctx ends, while this producer leads.
func (k *Keeper) Run(ctx context.Context) error {
	ticker, expiry := time.NewTicker(sweepEvery), time.NewTicker(k.expireEvery())
	defer ticker.Stop()
	defer expiry.Stop()
	for n := 1; ; n++ {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case now := <-expiry.C:
			err = k.expire(now)
		case <-ticker.C:
			err = k.sweep(ctx, n%sweepsUntilFull == 0)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("sweep transactions: %w", err)
		}
	}
}

// sweep finds acknowledged transactions that are not in the pool. Geth does not report a transaction that it drops (replaced,
// nonce used, no funds left), so sweep offers them again: the pool accepts each or returns the reason of its ending.
// Unless full, it looks only when the pool has fewer transactions than are acknowledged.
func (k *Keeper) sweep(ctx context.Context, full bool) error {
	pending, queued := k.pool.PoolSize()
	if count := k.store.Count(); count == 0 || (!full && count <= pending+queued) {
		return nil
	}
	return k.each(ctx, k.offerMissing)
}

func (k *Keeper) each(ctx context.Context, do func([]Tx) error) error {
	var failed error
	err := k.store.Each(sweepGroup, func(txs []Tx) bool {
		failed = cmp.Or(ctx.Err(), do(txs))
		return failed == nil
	})
	return cmp.Or(failed, err)
}

func (k *Keeper) offerMissing(txs []Tx) error {
	missing, err := k.missing(txs)
	return cmp.Or(err, k.offer(missing))
}

func (k *Keeper) warm(txs []Tx) error {
	missing, err := k.missing(txs)
	if err != nil || len(missing) == 0 {
		return err
	}
	decoded, errs := k.pool.Decode(missing)
	var fit []*types.Transaction
	for i, tx := range decoded {
		if errs[i] == nil {
			fit = append(fit, tx)
		}
	}
	k.pool.AddTransactions(fit)
	return nil
}

// missing are those that are neither in the pool nor in a block. What is in a block is forgotten.
func (k *Keeper) missing(txs []Tx) ([][]byte, error) {
	var included []common.Hash
	var missing [][]byte
	for _, tx := range txs {
		if k.pool.Pooled(tx.Hash) || k.pool.Waits(tx.Hash) {
			continue
		}
		if _, ok := k.pool.Included(tx.Hash); ok {
			included = append(included, tx.Hash)
			continue
		}
		missing = append(missing, tx.Raw)
	}
	return missing, k.store.Remove(included)
}

// offer gives transactions to the pool again, and ends those it does not take.
func (k *Keeper) offer(raws [][]byte) error {
	if len(raws) == 0 {
		return nil
	}
	txs, errs := k.pool.Decode(raws)
	var again []*types.Transaction
	var endings []Ending
	for i, tx := range txs {
		if errs[i] != nil {
			endings = append(endings, Ending{Hash: HashOf(raws[i]), Kind: Dropped, Reason: errs[i].Error()})
			continue
		}
		again = append(again, tx)
	}
	for i, err := range k.pool.AddTransactions(again) {
		if err == nil || errors.Is(err, txpool.ErrAlreadyKnown) {
			continue
		}
		hash := again[i].Hash()
		if _, ok := k.pool.Included(hash); ok {
			continue // since we looked; the next sweep forgets it
		}
		endings = append(endings, Ending{Hash: hash, Kind: Dropped, Reason: reasonOf(err)})
	}
	return k.endUnlessSkipped(endings)
}

// endUnlessSkipped keeps the better reason: one that a block skipped and the pool then dropped ended in that block.
func (k *Keeper) endUnlessSkipped(endings []Ending) error {
	for i, one := range endings {
		earlier, known, err := k.store.Ending(one.Hash)
		if err != nil {
			return err
		}
		if known && earlier.Kind == Skipped {
			endings[i] = earlier
		}
	}
	return k.store.End(endings)
}

func reasonOf(err error) string {
	if errors.Is(err, txpool.ErrReplaceUnderpriced) {
		return "replaced by another transaction with the same nonce"
	}
	return err.Error()
}

// forgetDelayed removes delayed transactions that are in a block: a crash may have come before they were removed.
func (k *Keeper) forgetDelayed() error {
	waiting, err := k.store.Delayed(k.store.DelayedCount())
	if err != nil {
		return err
	}
	var gone []common.Hash
	for _, tx := range waiting {
		if _, ok := k.pool.Included(tx.Hash); ok || k.pool.Waits(tx.Hash) {
			gone = append(gone, tx.Hash)
		}
	}
	return k.store.RemoveDelayed(gone)
}
