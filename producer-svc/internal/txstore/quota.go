package txstore

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
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
	stuck                 bool   // one before next waits for a lower base fee
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
	waits := tx.Nonce() > u.next || u.stuck || waitsForFee(tx, q.baseFee)
	if err := q.limits.allow(u, from, int64(size), waits); err != nil {
		return err
	}
	if waits && q.space.halfFull() {
		return ErrPoolHalfFull
	}
	if err := q.space.take(size); err != nil {
		return err
	}
	u.add(tx, int64(size), waits)
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
	u = &usage{next: next}
	for _, tx := range pending {
		u.stuck = u.stuck || waitsForFee(tx, q.baseFee)
		u.count(int64(tx.Size()), u.stuck)
	}
	for _, tx := range queued { // some of them follow without a gap: the pool moves them a little later
		follows := tx.Nonce() == u.next
		if follows {
			u.next++
			u.stuck = u.stuck || waitsForFee(tx, q.baseFee)
		}
		u.count(int64(tx.Size()), !follows || u.stuck)
	}
	q.accounts[from] = u
	return u
}

func (u *usage) add(tx *types.Transaction, size int64, waits bool) {
	u.count(size, waits)
	if tx.Nonce() == u.next {
		u.next++
		u.stuck = u.stuck || waits
	}
}

func (u *usage) count(size int64, waits bool) {
	u.transactions, u.bytes = u.transactions+1, u.bytes+size
	if waits {
		u.waiting, u.waitingBytes = u.waiting+1, u.waitingBytes+size
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
