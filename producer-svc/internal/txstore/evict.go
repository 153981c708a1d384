package txstore

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// evictShare is the part of the pool that is freed at once when it is full: one look at all of it makes room for many.
const evictShare = 20

// priced is a transaction with the tip that a block with the next base fee would pay, in wei for each gas; negative when its fee
// cap is below the base fee.
type priced struct {
	*types.Transaction
	tip *big.Int
}

func pricedAt(tx *types.Transaction, baseFee *big.Int) priced {
	tip, _ := tx.EffectiveGasTip(baseFee) // its error says that it is negative
	return priced{tx, tip}
}

// evict makes room for a transaction that pays more than others: those that would pay the lowest tips end. It is false when none
// pays less.
func (k *Keeper) evict(tx *types.Transaction, batch *room) (bool, error) {
	k.evicting.Lock()
	defer k.evicting.Unlock()
	if room := k.room().less(batch); room.transactions > 0 && room.bytes > MaxTransactionBytes {
		return true, nil // another call has made room
	}
	baseFee := new(big.Int).SetUint64(k.pool.BaseFee())
	offered := pricedAt(tx, baseFee)
	if now := time.Now(); now.Before(k.lowestUntil) && offered.tip.Cmp(k.lowest) <= 0 {
		return false, nil // a refusal is cheap: the whole pool is looked at once a second
	}
	all := k.pooled(baseFee)
	if len(all) > 0 && all[0].tip.Cmp(offered.tip) >= 0 {
		k.lowest, k.lowestUntil = all[0].tip, time.Now().Add(sweepEvery)
		return false, nil
	}
	gone := k.outbid(all, offered.tip)
	return len(gone) > 0, k.drop(gone, ReasonOutbid)
}

// outbid are those of the sorted transactions that pay less than a tip, as many as one eviction frees.
func (k *Keeper) outbid(sorted []priced, tip *big.Int) (gone []Ending) {
	count, bytes := k.store.options.Transactions/evictShare, k.store.options.TransactionBytes/evictShare
	size := int64(0)
	for _, one := range sorted {
		if len(gone) > count || size > bytes || one.tip.Cmp(tip) >= 0 {
			break
		}
		gone = append(gone, Ending{Hash: one.Hash(), Kind: Dropped, Reason: "the transaction pool was full, and others pay a higher tip"})
		size += int64(one.Size())
	}
	return gone
}

// pooled is all that the pool has, with the lowest tip first.
func (k *Keeper) pooled(baseFee *big.Int) (all []priced) {
	pending, queued := k.pool.Pool()
	for _, accounts := range []map[common.Address][]*types.Transaction{pending, queued} {
		for _, txs := range accounts {
			for _, tx := range txs {
				all = append(all, pricedAt(tx, baseFee))
			}
		}
	}
	slices.SortFunc(all, func(a, b priced) int { return a.tip.Cmp(b.tip) })
	return all
}

// expire ends what could not be executed for the lifetime. How long that is, is counted from when this process first saw it.
func (k *Keeper) expire(now time.Time) error {
	pending, queued := k.pool.Pool()
	baseFee := new(big.Int).SetUint64(k.pool.BaseFee())
	waiting := make(map[common.Hash]time.Time)
	note := func(txs []*types.Transaction, stuck bool) {
		for _, tx := range txs {
			if stuck = stuck || waitsForFee(tx, baseFee); stuck {
				waiting[tx.Hash()] = now
			}
		}
	}
	for _, txs := range pending {
		note(txs, false)
	}
	for _, txs := range queued {
		note(txs, true)
	}
	var expired []Ending
	for hash := range waiting {
		since, seen := k.waitingSince[hash]
		if !seen {
			continue
		}
		waiting[hash] = since
		if now.Sub(since) >= k.limits.Lifetime {
			expired = append(expired, Ending{Hash: hash, Kind: Dropped, Reason: fmt.Sprintf("expired: for %s an earlier nonce was missing, or a fee cap was below the base fee", k.limits.Lifetime)})
			delete(waiting, hash)
		}
	}
	k.waitingSince = waiting
	return k.drop(expired, ReasonExpired)
}

// Drop ends acknowledged transactions for an operator: one, all of an account, or both. It returns how many there were.
func (k *Keeper) Drop(hash common.Hash, from common.Address) (int, error) {
	var gone []Ending
	note := func(one common.Hash) {
		if k.store.Has(one) {
			gone = append(gone, Ending{Hash: one, Kind: Dropped, Reason: "dropped by an operator"})
		}
	}
	if hash != (common.Hash{}) {
		note(hash)
	}
	if from != (common.Address{}) {
		pending, queued, _ := k.pool.Account(from)
		for _, tx := range slices.Concat(pending, queued) {
			note(tx.Hash())
		}
	}
	return len(gone), k.drop(gone, ReasonAdmin)
}

// drop ends transactions and takes them out of the pool.
func (k *Keeper) drop(gone []Ending, reason string) error {
	if len(gone) == 0 {
		return nil
	}
	if err := k.end(gone, reason); err != nil {
		return err
	}
	out := make(map[common.Hash]bool, len(gone))
	for _, one := range gone {
		out[one.Hash] = true
	}
	k.pool.Drop(out)
	return nil
}

func (k *Keeper) end(gone []Ending, reason string) error {
	if err := k.store.End(gone); err != nil {
		return err
	}
	for range gone {
		k.limits.Ended(reason)
	}
	return nil
}

// expireEvery is how often expired transactions are looked for. Not more often: each time that finds one, the pool is emptied and
// filled again.
func (k *Keeper) expireEvery() time.Duration { return max(k.limits.Lifetime/10, sweepEvery) }

// MaxTransactionBytes bounds one transaction.
const MaxTransactionBytes = 128 << 10

// byNonce are the indexes of transactions, those with lower nonces first: a batch may have them in any order.
func byNonce(txs []*types.Transaction, errs []error) []int {
	order := make([]int, 0, len(txs))
	for i := range txs {
		if errs[i] == nil {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(txs[a].Nonce(), txs[b].Nonce()) })
	return order
}
