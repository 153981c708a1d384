package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// Limits bounds a proposal.
type Limits struct {
	Bytes uint64 // of the transactions' RLP; 0 gives nothing
	Gas   uint64 // of a block; 0 means the chain's
	Taken uint64 // part of Gas that is promised to what goes before: sealed and delayed transactions
}

// maxRetries is how often a transaction is proposed that was decided and then skipped while the pool still calls it
// ready. The pool's rules are those of execution, so this is a guard: without it such a transaction would be proposed
// again and again, and each time look like work.
const maxRetries = 3

// Content gives the pool's transactions for a proposal on top of the head, encoded as they came: by price, and by nonce
// for each sender. None is in a block already, although the pool may not yet know. What waits for gas goes before them, so
// it takes its part of the bytes and the gas.
func (c *Chain) Content(ctx context.Context, limits Limits) ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, fmt.Errorf("collect content: %w", err)
	}
	head, waiting := c.bc.CurrentBlock(), c.room.Load()
	if limits.Gas == 0 {
		limits.Gas = head.GasLimit
	}
	limits.Gas -= min(limits.Gas, limits.Taken+waiting.size.Gas)
	limits.Bytes -= min(limits.Bytes, waiting.size.Bytes)
	picked := &selection{limits: limits}
	if picked.full() {
		return nil, nil
	}
	statedb, err := c.bc.StateAt(head.Root, head.Number, head.Time)
	if err != nil {
		return nil, fmt.Errorf("collect content: open state of block %d: %w", head.Number, err)
	}
	if err := c.pick(ctx, picked, statedb, head); err != nil {
		return nil, fmt.Errorf("collect content: %w", err)
	}
	return picked.raws, nil
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
	if c.Waits(hash) { // ordered already; the sender's next may follow
		return true
	}
	if barred, err := c.Barred(hash); err != nil || barred || c.retries[hash] >= maxRetries || !picked.fits(tx.Size(), tx.Gas()) {
		return false
	}
	raw, err := tx.MarshalBinary()
	return err == nil && picked.add(raw, tx.Gas())
}

// countRetries remembers skipped transactions that are still in the pool and forgets the rest. The caller holds mu.
func (c *Chain) countRetries(run *execution) {
	for hash := range c.retries {
		if !c.eth.TxPool().Has(hash) {
			delete(c.retries, hash)
		}
	}
	for _, one := range run.ended {
		if c.eth.TxPool().Has(one.hash) {
			c.retries[one.hash]++
		}
	}
}

// selection is a proposal being put together.
type selection struct {
	limits Limits
	bytes  uint64
	gas    uint64
	raws   [][]byte
}

// fits counts a transaction of size bytes with the header RLP puts before it.
func (s *selection) fits(size, gas uint64) bool {
	const longestHeader = 4
	return s.bytes+size+longestHeader <= s.limits.Bytes && s.gas+gas <= s.limits.Gas
}

func (s *selection) add(raw []byte, gas uint64) bool {
	if !s.fits(uint64(len(raw)), gas) {
		return false
	}
	s.bytes += rlp.BytesSize(raw)
	s.gas += gas
	s.raws = append(s.raws, raw)
	return true
}

// full: not even the smallest transaction fits.
func (s *selection) full() bool { return !s.fits(0, minTransaction) }
