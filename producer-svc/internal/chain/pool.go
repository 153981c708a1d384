package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// Where a transaction is.
const (
	TxUnknown  = "unknown"  // not here; it may have ended
	TxQueued   = "queued"   // in the pool, waiting for an earlier nonce
	TxPending  = "pending"  // ready for a block, or decided and waiting for room in one
	TxIncluded = "included" // in a block
)

// AddTransactions puts transactions into the pool and gives an error or nil for each. Ready ones are offered shortly
// after; Work tells when.
func (c *Chain) AddTransactions(txs []*types.Transaction) []error {
	errs := make([]error, len(txs))
	var from []int
	var fit []*types.Transaction
	for i, tx := range txs {
		if errs[i] = c.refusal(tx); errs[i] == nil {
			from, fit = append(from, i), append(fit, tx)
		}
	}
	for j, err := range c.eth.TxPool().Add(fit, false) {
		errs[from[j]] = err
	}
	return errs
}

// refusal is why no block would execute a transaction that the pool would take.
func (c *Chain) refusal(tx *types.Transaction) error {
	barred, err := c.Barred(tx.Hash())
	if err == nil && barred {
		err = ErrBarred
	}
	return err
}

// PoolSize counts the transactions that are ready for a block and those that wait for an earlier nonce.
func (c *Chain) PoolSize() (pending, queued int) {
	return c.eth.TxPool().Stats()
}

// Balance is that of an account on the head, in wei.
func (c *Chain) Balance(of common.Address) (*uint256.Int, error) {
	head, err := c.bc.State()
	if err != nil {
		return nil, fmt.Errorf("open state of the head: %w", err)
	}
	balance := head.GetBalance(of)
	return balance, head.Error()
}

// Pooled says whether the pool has the transaction.
func (c *Chain) Pooled(hash common.Hash) bool { return c.eth.TxPool().Has(hash) }

// Account is what the pool has of an account: the transactions that follow its nonce without a gap, the others, and the first
// nonce that is missing.
func (c *Chain) Account(from common.Address) (pending, queued []*types.Transaction, next uint64) {
	pending, queued = c.eth.TxPool().ContentFrom(from)
	return pending, queued, c.eth.TxPool().PoolNonce(from)
}

// Pool is what the pool has, by account: transactions that follow the account's nonce without a gap, and the others.
func (c *Chain) Pool() (pending, queued map[common.Address][]*types.Transaction) {
	return c.eth.TxPool().Content()
}

// Sender is who signed a transaction that Decode gave.
func (c *Chain) Sender(tx *types.Transaction) common.Address {
	from, _ := types.Sender(c.signer, tx) // Decode has recovered it
	return from
}

// Drop takes transactions out of the pool. Geth's pool removes nothing by name, so it is emptied and filled again with all others;
// for that time it may not know them.
func (c *Chain) Drop(gone map[common.Hash]bool) {
	c.dropping.Lock()
	defer c.dropping.Unlock()
	pending, queued := c.Pool()
	var stay []*types.Transaction
	for _, accounts := range []map[common.Address][]*types.Transaction{pending, queued} {
		for _, txs := range accounts {
			for _, tx := range txs {
				if !gone[tx.Hash()] {
					stay = append(stay, tx)
				}
			}
		}
	}
	c.eth.TxPool().Clear()
	c.eth.TxPool().Add(stay, false) // one that it does not take any more is found by the next sweep
}

// Included finds the block of a transaction.
func (c *Chain) Included(hash common.Hash) (number uint64, ok bool) {
	lookup, _ := c.bc.GetCanonicalTransaction(hash)
	if lookup == nil {
		return 0, false
	}
	return lookup.BlockIndex, true
}

// Index is the index of a transaction in its block.
func (c *Chain) Index(hash common.Hash) (index uint32, ok bool) {
	lookup, _ := c.bc.GetCanonicalTransaction(hash)
	if lookup == nil {
		return 0, false
	}
	return uint32(lookup.Index), true
}

// Status says where a transaction is, and in which block when it is in one.
func (c *Chain) Status(hash common.Hash) (state string, number uint64) {
	if number, ok := c.Included(hash); ok {
		return TxIncluded, number
	}
	switch c.eth.TxPool().Status(hash) {
	case txpool.TxStatusPending:
		return TxPending, 0
	case txpool.TxStatusQueued:
		return TxQueued, 0
	}
	if c.Waits(hash) {
		return TxPending, 0
	}
	// A block may have taken it out of the pool since the first look at the chain.
	if number, ok := c.Included(hash); ok {
		return TxIncluded, number
	}
	return TxUnknown, 0
}

// HashTransaction is the hash of a transaction's bytes, decodable or not.
func HashTransaction(raw []byte) common.Hash { return crypto.Keccak256Hash(raw) }
