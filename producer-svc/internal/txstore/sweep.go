package txstore

import (
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
	err := firstError(k.store.Remove(included), k.store.RemoveDelayed(gone), k.store.Note(noted), k.store.End(ended))
	if err != nil {
		return fmt.Errorf("settle block %d: %w", number, err)
	}
	return nil
}

// Warm puts what is acknowledged into the pool, in the order it came, and forgets what is in a block. It ends nothing: who
// does not lead may be behind, and what the pool refuses now may be fit for it when the head has moved.
func (k *Keeper) Warm(ctx context.Context) error {
	if err := k.settleDelayed(); err != nil {
		return fmt.Errorf("warm the pool: %w", err)
	}
	if err := k.each(ctx, k.warm); err != nil {
		return fmt.Errorf("warm the pool: %w", err)
	}
	return nil
}

// Offered puts transactions into the pool that another replica acknowledged and that are kept here; it ends nothing.
func (k *Keeper) Offered(txs []Tx) error { return k.warm(txs) }

// Recover is Warm for who leads and has caught up: what the pool refuses has ended. Call it before Run.
func (k *Keeper) Recover(ctx context.Context) error {
	err := k.settleDelayed()
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
	ticker := time.NewTicker(k.cfg.SweepEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := k.sweep(ctx, n%sweepsUntilFull == 0); err != nil && ctx.Err() == nil {
			return fmt.Errorf("sweep transactions: %w", err)
		}
	}
}

// Sweep does once what Run does all the time.
func (k *Keeper) Sweep(ctx context.Context) error { return k.sweep(ctx, true) }

// sweep finds acknowledged transactions that are not in the pool. Geth tells nobody when it drops one (replaced, nonce
// used, funds gone), so they are offered again: either it takes them or it says why not, and that is how they ended.
// Unless full, it only looks when there are fewer in the pool than acknowledged.
func (k *Keeper) sweep(ctx context.Context, full bool) error {
	pending, queued := k.pool.PoolSize()
	if count := k.store.Count(); count == 0 || (!full && count <= pending+queued) {
		return nil
	}
	return k.each(ctx, k.settle)
}

func (k *Keeper) each(ctx context.Context, do func([]Tx) error) error {
	var failed error
	err := k.store.Each(sweepGroup, func(txs []Tx) bool {
		failed = firstError(ctx.Err(), do(txs))
		return failed == nil
	})
	return firstError(failed, err)
}

func (k *Keeper) settle(txs []Tx) error {
	missing, err := k.missing(txs)
	return firstError(err, k.offer(missing))
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
	var outcomes []Ending
	for i, tx := range txs {
		if errs[i] != nil {
			outcomes = append(outcomes, Ending{Hash: HashOf(raws[i]), Kind: Dropped, Reason: errs[i].Error()})
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
		outcomes = append(outcomes, Ending{Hash: hash, Kind: Dropped, Reason: reasonOf(err)})
	}
	return k.endUnlessSkipped(outcomes)
}

// endUnlessSkipped keeps the better reason: one that a block skipped and the pool then dropped ended in that block.
func (k *Keeper) endUnlessSkipped(outcomes []Ending) error {
	for i, one := range outcomes {
		earlier, known, err := k.store.Ending(one.Hash)
		if err != nil {
			return err
		}
		if known && earlier.Kind == Skipped {
			outcomes[i] = earlier
		}
	}
	return k.store.End(outcomes)
}

func reasonOf(err error) string {
	if errors.Is(err, txpool.ErrReplaceUnderpriced) {
		return "replaced by another transaction with the same nonce"
	}
	return err.Error()
}

// settleDelayed forgets delayed transactions that a crash kept from being forgotten.
func (k *Keeper) settleDelayed() error {
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
