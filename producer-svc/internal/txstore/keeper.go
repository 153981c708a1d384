package txstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
)

var (
	// ErrUnprotected: the transaction would be valid on every chain.
	ErrUnprotected = errors.New("only replay-protected (EIP-155) transactions allowed over RPC")
	// ErrFee: the most the transaction may cost is above 1 ether.
	ErrFee = errors.New("tx fee exceeds the configured cap")
	// ErrPoolFull: nothing more is taken until blocks have made room. What was acknowledged stays.
	ErrPoolFull = errors.New("transaction pool is full")
	// ErrEnded: the delayed transaction is in a block.
	ErrEnded = errors.New("transaction is in a block already")
)

// Pool is the pool of the chain. It has no memory of its own: what it forgets, a Keeper finds out.
type Pool interface {
	// Decode gives a transaction with its sender recovered, or an error, for each.
	Decode(raws [][]byte) ([]*types.Transaction, []error)
	AddTransactions(txs []*types.Transaction) []error
	Pooled(hash common.Hash) bool
	Included(hash common.Hash) (number uint64, ok bool)
	// Waits says whether a transaction was ordered and waits for gas in a later block.
	Waits(hash common.Hash) bool
	PoolSize() (pending, queued int)
	// Status is StateUnknown, StateQueued, StatePending, or StateIncluded with the block's number.
	Status(hash common.Hash) (state string, number uint64)
}

const (
	feeCap     = 1e18 // wei a transaction may cost at most
	sweepEvery = time.Second
)

// Keeper keeps the promise made to the sender of a transaction: once acknowledged it is pending, or in a block, or ended
// with a reason, across crashes. It puts transactions into the pool, stores them before they are acknowledged, forgets
// them when their block is applied, and looks after those the pool has dropped.
type Keeper struct {
	store *Store
	pool  Pool
}

// NewKeeper makes a Keeper. Call Recover before the first Submit.
func NewKeeper(store *Store, pool Pool) *Keeper { return &Keeper{store: store, pool: pool} }

// Submit takes transactions in one go: signatures are recovered together, the pool is asked once, and one fsync makes
// all of them durable. For each there is its hash or an error, one of geth's eth_sendRawTransaction. "already known" is
// one of them; that transaction is durable too.
func (k *Keeper) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	hashes := make([]common.Hash, len(raws))
	txs, errs := k.pool.Decode(raws)
	space := k.room()
	var fit []int // indices of those that reach the pool
	var batch []*types.Transaction
	for i, tx := range txs {
		if errs[i] == nil {
			hashes[i] = tx.Hash()
			errs[i] = cmp.Or(ctx.Err(), k.check(tx))
		}
		if errs[i] == nil {
			errs[i] = space.take(len(raws[i]))
		}
		if errs[i] == nil {
			fit, batch = append(fit, i), append(batch, tx)
		}
	}
	var durable []Tx
	for j, err := range k.pool.AddTransactions(batch) {
		i := fit[j]
		errs[i] = err
		if promised(err) {
			durable = append(durable, Tx{Hash: hashes[i], Raw: raws[i]})
		}
	}
	// gofail: var transactionPooled struct{}
	if err := k.store.Add(durable); err != nil {
		for _, i := range fit {
			if promised(errs[i]) {
				errs[i] = err
			}
		}
	}
	// gofail: var transactionSynced struct{}
	return hashes, errs
}

// promised says whether the sender will take this answer of the pool for a yes.
func promised(err error) bool { return err == nil || errors.Is(err, txpool.ErrAlreadyKnown) }

func (k *Keeper) check(tx *types.Transaction) error {
	if !tx.Protected() {
		return ErrUnprotected
	}
	fee := new(big.Int).Mul(tx.GasPrice(), new(big.Int).SetUint64(tx.Gas()))
	if limit := big.NewInt(feeCap); fee.Cmp(limit) > 0 {
		return fmt.Errorf("%w: %d wei, cap %d wei", ErrFee, fee, limit)
	}
	return nil
}

// room is what the store can take, counted down while a batch is checked.
type room struct {
	transactions int
	bytes        int64
}

func (k *Keeper) room() *room {
	transactions, bytes := k.store.Room()
	return &room{transactions: transactions, bytes: bytes}
}

func (r *room) take(size int) error {
	if r.transactions <= 0 || r.bytes < int64(size) {
		return ErrPoolFull
	}
	r.transactions--
	r.bytes -= int64(size)
	return nil
}

// AddDelayed takes a delayed transaction; it is durable when AddDelayed returns. added is false when it is
// stored or ordered already.
func (k *Keeper) AddDelayed(_ context.Context, raw []byte) (hash common.Hash, added bool, err error) {
	txs, errs := k.pool.Decode([][]byte{raw})
	if errs[0] != nil {
		return hash, false, fmt.Errorf("add delayed transaction: %w", errs[0])
	}
	hash = txs[0].Hash()
	if number, ok := k.pool.Included(hash); ok {
		return hash, false, fmt.Errorf("add delayed transaction %s: %w: %d", hash, ErrEnded, number)
	}
	if k.pool.Waits(hash) {
		return hash, false, nil
	}
	return k.store.AddDelayed(raw)
}
