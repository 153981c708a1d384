package producer

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/common"
)

// maxDelayedBytes bounds one delayed transaction, as the pool bounds the others.
const maxDelayedBytes = 128 << 10

// delayedShare bounds the delayed transactions of one proposal. They count little in a blueprint, which holds their
// hashes only, but the log record and the published blueprint hold them whole.
const delayedShare = 4 << 20

// pool is what operators change and proposals ask of the transaction store.
type pool struct {
	store  *txstore.Store
	keeper *txstore.Keeper
	nudge  chan struct{} // holds one signal for the loop
}

// Pending lists the delayed transactions for the next proposal, oldest first.
func (p *pool) Pending() ([]content.Hash, error) {
	txs, err := p.store.Delayed(content.MaxBlueprintBytes / content.DelayedTransactionBytes)
	var hashes []content.Hash
	size := 0
	for _, tx := range txs {
		if size += len(tx.Raw); size > delayedShare {
			break
		}
		hashes = append(hashes, content.Hash(tx.Hash))
	}
	return hashes, err
}

// Raw finds a delayed transaction.
func (p *pool) Raw(hash content.Hash) ([]byte, bool, error) {
	return p.store.DelayedByHash(common.Hash(hash))
}

// AddDelayed stores a delayed transaction and wakes the loop.
func (p *pool) AddDelayed(ctx context.Context, raw []byte) (content.Hash, error) {
	if len(raw) > maxDelayedBytes {
		return content.Hash{}, fmt.Errorf("add delayed transaction: %w: %d bytes, at most %d", api.ErrBadRequest, len(raw), maxDelayedBytes)
	}
	hash, _, err := p.keeper.AddDelayed(ctx, raw)
	switch {
	case err == nil:
		p.wake()
	case !errors.Is(err, txstore.ErrEnded) && !errors.Is(err, txstore.ErrFull) && !errors.Is(err, txstore.ErrBroken):
		err = fmt.Errorf("%w: %w", api.ErrBadRequest, err)
	}
	return content.Hash(hash), err
}

// SetLocked locks or unlocks the pool.
func (p *pool) SetLocked(_ context.Context, locked bool) error {
	if err := p.store.SetLocked(locked, "locked by an operator"); err != nil {
		return err
	}
	p.wake()
	return nil
}

// Locked says whether an operator has locked the pool.
func (p *pool) Locked() bool {
	locked, _ := p.store.Locked()
	return locked
}

func (p *pool) wake() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}
