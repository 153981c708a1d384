package txstore

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

var (
	// ErrAccountFull: the account has as much in the pool as one account may.
	ErrAccountFull = errors.New("account limit of the transaction pool exceeded")
	// ErrAccountWaiting: the account has as much in the pool that cannot be executed as one account may.
	ErrAccountWaiting = errors.New("account limit of transactions that cannot be executed yet exceeded")
	// ErrPoolHalfFull: what cannot be executed may use half of the pool.
	ErrPoolHalfFull = errors.New("transaction pool is half full and takes only what can be executed: send the transactions before it first, or raise its fee cap to the base fee")
)

// Limits bound what one account may have in the pool, and how long what cannot be executed stays. A transaction cannot be
// executed, and waits, when one before it is missing, or when its fee cap is below the base fee. Zero fields take the defaults.
type Limits struct {
	Transactions int           // of an account; default 4,096
	Bytes        int64         // of an account; default 4 MiB
	Waiting      int           // transactions of an account that cannot be executed; default 64
	WaitingBytes int64         // of these; default 1 MiB
	Lifetime     time.Duration // of what cannot be executed; default 3 hours
	// Refused is called with the reason of each refusal by a limit, and Ended of each transaction that a limit ended; both may
	// be nil.
	Refused, Ended func(reason string)
}

// Reasons of refusals and ends, for metrics.
const (
	ReasonAccount = "account"
	ReasonWaiting = "waiting"
	ReasonHalf    = "half_full"
	ReasonFull    = "full"
	ReasonOutbid  = "outbid"
	ReasonExpired = "expired"
	ReasonAdmin   = "admin"
)

// Reasons returns those of refusals and those of ends.
func Reasons() (refused, ended []string) {
	return []string{ReasonAccount, ReasonWaiting, ReasonHalf, ReasonFull}, []string{ReasonOutbid, ReasonExpired, ReasonAdmin}
}

func (l Limits) withDefaults() Limits {
	l.Transactions, l.Bytes = cmp.Or(l.Transactions, 4096), cmp.Or(l.Bytes, 4<<20)
	l.Waiting, l.WaitingBytes = cmp.Or(l.Waiting, 64), cmp.Or(l.WaitingBytes, 1<<20)
	l.Lifetime = cmp.Or(l.Lifetime, 3*time.Hour)
	for _, f := range []*func(string){&l.Refused, &l.Ended} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	return l
}

// quota judges the transactions of one batch, each with what the pool has of its account and what came before it in the batch.
type quota struct {
	pool     Pool
	limits   Limits
	space    *room
	baseFee  *big.Int
	accounts map[common.Address]*usage
}

// usage is what an account has in the pool.
type usage struct {
	transactions, waiting int
	bytes, waitingBytes   int64
	next                  uint64 // nonce of the first one that is missing
	stuckAt               uint64 // the first nonce that waits for a lower base fee; what follows it waits too
	taken                 map[uint64]taken
}

// taken is what one transaction takes of its account's limits.
type taken struct {
	size  int64
	waits bool
}

func (k *Keeper) quota() *quota {
	return &quota{
		pool: k.pool, limits: k.limits, space: k.room(), baseFee: new(big.Int).SetUint64(k.pool.BaseFee()),
		accounts: make(map[common.Address]*usage),
	}
}

// take counts a transaction of an account, or refuses it.
func (q *quota) take(from common.Address, tx *types.Transaction, size int) error {
	if q.pool.Pooled(tx.Hash()) {
		return nil // the pool refuses it as known
	}
	u := q.of(from)
	waits, left := q.waits(u, tx), u.without(tx.Nonce())
	if err := q.limits.allow(&left, from, int64(size), waits); err != nil {
		return err
	}
	if waits && q.space.halfFull() {
		return ErrPoolHalfFull
	}
	if err := q.space.take(size); err != nil {
		return err
	}
	*u = left
	q.add(u, tx, int64(size))
	return nil
}

func (l Limits) allow(u *usage, from common.Address, size int64, waits bool) error {
	switch {
	case u.transactions >= l.Transactions:
		return fmt.Errorf("%w: %s has %d transactions, at most %d", ErrAccountFull, from, u.transactions, l.Transactions)
	case u.bytes+size > l.Bytes:
		return fmt.Errorf("%w: the transactions of %s have %d bytes, at most %d", ErrAccountFull, from, u.bytes, l.Bytes)
	case waits && u.waiting >= l.Waiting:
		return fmt.Errorf("%w: %s has %d, at most %d; nonce %d is missing, or a fee cap is below the base fee", ErrAccountWaiting, from, u.waiting, l.Waiting, u.next)
	case waits && u.waitingBytes+size > l.WaitingBytes:
		return fmt.Errorf("%w: %s has %d bytes, at most %d; nonce %d is missing, or a fee cap is below the base fee", ErrAccountWaiting, from, u.waitingBytes, l.WaitingBytes, u.next)
	}
	return nil
}

// of is what an account has in the pool.
func (q *quota) of(from common.Address) *usage {
	u := q.accounts[from]
	if u != nil {
		return u
	}
	pending, queued, next := q.pool.Account(from)
	u = &usage{next: next, stuckAt: math.MaxUint64, taken: make(map[uint64]taken)}
	for _, tx := range slices.Concat(pending, queued) { // some queued ones follow without a gap: the pool moves them a little later
		q.add(u, tx, int64(tx.Size()))
	}
	q.accounts[from] = u
	return u
}

func (q *quota) waits(u *usage, tx *types.Transaction) bool {
	return tx.Nonce() > u.next || tx.Nonce() > u.stuckAt || waitsForFee(tx, q.baseFee)
}

func (q *quota) add(u *usage, tx *types.Transaction, size int64) {
	one := taken{size: size, waits: q.waits(u, tx)}
	u.taken[tx.Nonce()] = one
	u.count(one, 1)
	if tx.Nonce() == u.next {
		u.next++
	}
	if tx.Nonce() < u.next && waitsForFee(tx, q.baseFee) {
		u.stuckAt = min(u.stuckAt, tx.Nonce())
	}
}

// without is what is left when a transaction is replaced: one that takes its nonce, with a higher fee, needs no room of its own.
func (u *usage) without(nonce uint64) usage {
	left := *u
	if one, ok := u.taken[nonce]; ok {
		left.count(one, -1)
	}
	return left
}

func (u *usage) count(one taken, n int) {
	u.transactions, u.bytes = u.transactions+n, u.bytes+int64(n)*one.size
	if one.waits {
		u.waiting, u.waitingBytes = u.waiting+n, u.waitingBytes+int64(n)*one.size
	}
}

func waitsForFee(tx *types.Transaction, baseFee *big.Int) bool {
	return tx.GasFeeCapIntCmp(baseFee) < 0
}

// reasonOfRefusal is the limit that refused a transaction, empty for none.
func reasonOfRefusal(err error) string {
	for reason, sentinel := range map[string]error{
		ReasonAccount: ErrAccountFull, ReasonWaiting: ErrAccountWaiting, ReasonHalf: ErrPoolHalfFull, ReasonFull: ErrPoolFull,
	} {
		if errors.Is(err, sentinel) {
			return reason
		}
	}
	return ""
}
