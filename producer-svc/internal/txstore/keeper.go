package txstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
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
	// ErrPoolFull: nothing more is taken until blocks have made room, unless it pays a higher tip than others.
	ErrPoolFull = errors.New("transaction pool is full: wait, or pay a higher tip than the transactions in it")
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
	// Sender is who signed a decoded transaction.
	Sender(tx *types.Transaction) common.Address
	// Account is what the pool has of an account: what follows its nonce without a gap, the rest, and the first nonce missing.
	Account(from common.Address) (pending, queued []*types.Transaction, next uint64)
	// Pool is that of all accounts.
	Pool() (pending, queued map[common.Address][]*types.Transaction)
	// BaseFee is that of the next block, in wei.
	BaseFee() uint64
	// Drop takes transactions out.
	Drop(gone map[common.Hash]bool)
}

const (
	feeCap     = 1e18 // wei a transaction may cost at most
	sweepEvery = time.Second
)

// Keeper keeps the promise made to the sender of a transaction: once acknowledged it is pending, or in a block, or ended
// with a reason, across crashes. It puts transactions into the pool, stores them before they are acknowledged, forgets
// them when their block is applied, and looks after those the pool has dropped.
type Keeper struct {
	store  *Store
	pool   Pool
	limits Limits

	evicting     sync.Mutex
	lowest       *big.Int                  // tip of the full pool when it was last looked at in vain
	lowestUntil  time.Time                 // when to look again
	waitingSince map[common.Hash]time.Time // of what cannot be executed; Run's alone
}

// NewKeeper makes a Keeper. Call Recover before the first Submit.
func NewKeeper(store *Store, pool Pool, limits Limits) *Keeper {
	return &Keeper{store: store, pool: pool, limits: limits.withDefaults()}
}

// Submit takes transactions in one go: signatures are recovered together, the pool is asked once, and one fsync makes
// all of them durable. For each there is its hash or an error, one of geth's eth_sendRawTransaction. "already known" is
// one of them; that transaction is durable too.
func (k *Keeper) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	hashes := make([]common.Hash, len(raws))
	txs, errs := k.pool.Decode(raws)
	for i, tx := range txs {
		if errs[i] == nil {
			hashes[i] = tx.Hash()
			errs[i] = cmp.Or(ctx.Err(), k.check(tx))
		}
	}
	k.admit(txs, raws, errs)
	var fit []int // indices of those that reach the pool
	var batch []*types.Transaction
	for i, tx := range txs {
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

// admit sets the error of each transaction that a limit of the pool refuses.
func (k *Keeper) admit(txs []*types.Transaction, raws [][]byte, errs []error) {
	q := k.quota()
	for _, i := range byNonce(txs, errs) {
		from := k.pool.Sender(txs[i])
		err := q.take(from, txs[i], len(raws[i]))
		if errors.Is(err, ErrPoolFull) {
			if made, failed := k.evict(txs[i], q.space); failed != nil {
				err = failed
			} else if made {
				q.space = k.room().less(q.space)
				err = q.take(from, txs[i], len(raws[i]))
			}
		}
		if reason := reasonOfRefusal(err); reason != "" {
			k.limits.Refused(reason)
		}
		errs[i] = err
	}
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
	transactions, half   int
	bytes, halfOfTheRoom int64
	taken                int // by the batch, which the store does not have yet
	takenBytes           int64
}

func (k *Keeper) room() *room {
	transactions, bytes := k.store.Room()
	return &room{transactions: transactions, half: k.store.options.Transactions / 2, bytes: bytes, halfOfTheRoom: k.store.options.TransactionBytes / 2}
}

// less is the room beside what a batch has taken already.
func (r *room) less(batch *room) *room {
	r.transactions, r.bytes = r.transactions-batch.taken, r.bytes-batch.takenBytes
	r.taken, r.takenBytes = batch.taken, batch.takenBytes
	return r
}

func (r *room) halfFull() bool { return r.transactions <= r.half || r.bytes <= r.halfOfTheRoom }

func (r *room) take(size int) error {
	if r.transactions <= 0 || r.bytes < int64(size) {
		return ErrPoolFull
	}
	r.transactions, r.taken = r.transactions-1, r.taken+1
	r.bytes, r.takenBytes = r.bytes-int64(size), r.takenBytes+int64(size)
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
