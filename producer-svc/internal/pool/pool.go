// Package pool holds the parts of the transaction store that operators change and proposals read: delayed transactions, and
// the lock of the pool.
package pool

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/content"
	"blindseq/kit/notify"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// MaxDelayedBytes bounds one delayed transaction, as the pool bounds the others.
const MaxDelayedBytes = 128 << 10

// delayedShare bounds the delayed transactions of one proposal. They count little in a blueprint, which holds their
// hashes only, but the log record and the published blueprint hold them whole.
const delayedShare = 4 << 20

// Pool is an open transaction store as operators and proposals see it.
type Pool struct {
	Store  *txstore.Store
	Keeper *txstore.Keeper
	Wake   notify.Wake // for the loop: there may be something to propose
}

// Pending lists the delayed transactions for the next proposal, oldest first.
func (p *Pool) Pending() ([]contents.DelayedTransaction, error) {
	txs, err := p.Store.Delayed(content.MaxBlueprintBytes / content.DelayedTransactionBytes)
	var pending []contents.DelayedTransaction
	size := 0
	for _, tx := range txs {
		if size += len(tx.Raw); size > delayedShare {
			break
		}
		pending = append(pending, contents.DelayedTransaction{Hash: content.Hash(tx.Hash), Gas: gasOf(tx.Raw)})
	}
	return pending, err
}

// gasOf is the gas limit of a stored transaction; 0 of one that cannot be read, which takes none.
func gasOf(raw []byte) uint64 {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(raw); err != nil {
		return 0
	}
	return tx.Gas()
}

// Raw finds a delayed transaction.
func (p *Pool) Raw(hash content.Hash) ([]byte, bool, error) {
	return p.Store.DelayedByHash(common.Hash(hash))
}

// AddDelayed stores a delayed transaction and wakes the loop.
func (p *Pool) AddDelayed(ctx context.Context, raw []byte) (content.Hash, error) {
	if len(raw) > MaxDelayedBytes {
		return content.Hash{}, fmt.Errorf("add delayed transaction: %w: %d bytes, at most %d", api.ErrBadRequest, len(raw), MaxDelayedBytes)
	}
	hash, _, err := p.Keeper.AddDelayed(ctx, raw)
	switch {
	case err == nil:
		p.Wake.Notify()
	case !errors.Is(err, txstore.ErrEnded) && !errors.Is(err, txstore.ErrFull) && !errors.Is(err, txstore.ErrBroken):
		err = fmt.Errorf("%w: %w", api.ErrBadRequest, err)
	}
	return content.Hash(hash), err
}

// Drop ends transactions of the pool: one, and all of an account.
func (p *Pool) Drop(hash common.Hash, sender common.Address) (int, error) {
	return p.Keeper.Drop(hash, sender)
}

// SetLocked locks or unlocks the pool.
func (p *Pool) SetLocked(_ context.Context, locked bool) error {
	if err := p.Store.SetLocked(locked, "locked by an operator"); err != nil {
		return err
	}
	p.Wake.Notify()
	return nil
}

// Locked says whether an operator has locked the pool.
func (p *Pool) Locked() bool {
	locked, _ := p.Store.Locked()
	return locked
}
