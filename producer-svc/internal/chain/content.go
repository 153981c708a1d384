package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// Limits bounds a proposal.
type Limits struct {
	Bytes uint64 // of the transactions' RLP; 0 gives nothing
	Gas   uint64 // sum of the transactions' gas limits; 0 means a block's
}

// maxRetries is how often a transaction is proposed that was decided and then skipped while the pool still calls it
// ready. The pool's rules are those of execution, so this is a guard: without it such a transaction would be proposed
// again and again, and each time look like work.
const maxRetries = 3

// Content gives the transactions for a proposal on top of the head, encoded as they came: carried ones first, then the
// pool's by price, and by nonce for each sender. None is in a block already, although the pool may not yet know. The
// first carried are the carried ones.
func (c *Chain) Content(ctx context.Context, limits Limits) (raws [][]byte, carried int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, 0, fmt.Errorf("collect content: %w", err)
	}
	head := c.bc.CurrentBlock()
	if limits.Gas == 0 {
		limits.Gas = head.GasLimit
	}
	picked := &selection{limits: limits, seen: make(map[common.Hash]bool)}
	for _, one := range *c.carried.Load() {
		if !picked.add(one.hash, one.raw, one.gas) {
			return picked.raws, len(picked.raws), nil
		}
	}
	carried = len(picked.raws)
	statedb, err := c.bc.StateAt(head.Root, head.Number, head.Time)
	if err != nil {
		return nil, 0, fmt.Errorf("collect content: open state of block %d: %w", head.Number, err)
	}
	if err := c.pick(ctx, picked, statedb, head); err != nil {
		return nil, 0, fmt.Errorf("collect content: %w", err)
	}
	return picked.raws, carried, nil
}

// pick fills the selection from the pool. Geth resets its pool some time after the head has moved; a look at the nonce
// in the head's state, for each sender that comes up, makes waiting for that unnecessary.
func (c *Chain) pick(ctx context.Context, picked *selection, statedb *state.StateDB, head *types.Header) error {
	pending, _ := c.eth.TxPool().Content()
	order := newPriceOrder(pending, eip1559.CalcBaseFee(c.bc.Config(), head))
	for !picked.full() && ctx.Err() == nil {
		account := order.peek()
		if account == nil {
			break
		}
		if !account.checked {
			account.checked = true
			account.skipTo(statedb.GetNonce(account.address))
			order.fix()
			continue
		}
		if !c.offer(picked, account.first()) {
			order.drop()
			continue
		}
		account.next()
		order.fix()
	}
	if err := statedb.Error(); err != nil {
		return err
	}
	return ctx.Err()
}

func (c *Chain) offer(picked *selection, tx *types.Transaction) bool {
	hash := tx.Hash()
	if picked.seen[hash] {
		return true
	}
	if c.retries[hash] >= maxRetries || !picked.fits(tx.Size(), tx.Gas()) {
		return false
	}
	raw, err := tx.MarshalBinary()
	return err == nil && picked.add(hash, raw, tx.Gas())
}

// countRetries remembers skipped transactions that are still in the pool and forgets the rest. The caller holds mu.
func (c *Chain) countRetries(run *execution) {
	for hash := range c.retries {
		if !c.eth.TxPool().Has(hash) {
			delete(c.retries, hash)
		}
	}
	for _, one := range run.skipped {
		if c.eth.TxPool().Has(one.Hash) {
			c.retries[one.Hash]++
		}
	}
}

// selection is a proposal being put together.
type selection struct {
	limits Limits
	bytes  uint64
	gas    uint64
	raws   [][]byte
	seen   map[common.Hash]bool
}

// fits counts a transaction of size bytes with the header RLP puts before it.
func (s *selection) fits(size, gas uint64) bool {
	const longestHeader = 4
	return s.bytes+size+longestHeader <= s.limits.Bytes && s.gas+gas <= s.limits.Gas
}

func (s *selection) add(hash common.Hash, raw []byte, gas uint64) bool {
	if !s.fits(uint64(len(raw)), gas) {
		return false
	}
	s.bytes += rlp.BytesSize(raw)
	s.gas += gas
	s.raws = append(s.raws, raw)
	s.seen[hash] = true
	return true
}

// full: not even the smallest transaction fits.
func (s *selection) full() bool { return !s.fits(0, minTransaction) }
