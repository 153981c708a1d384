package txstore

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// evictShare is the part of the pool that is freed at once when it is full: one look at all of it makes room for many.
const evictShare = 20

// evict makes room for a transaction that pays more than others: those with the lowest tips end. It is false when too few pay
// less.
func (k *Keeper) evict(tip *big.Int, batch *room) (bool, error) {
	k.evicting.Lock()
	defer k.evicting.Unlock()
	if room := k.room().less(batch); room.transactions > 0 && room.bytes > MaxTransactionBytes {
		return true, nil // another call has made room
	}
	if now := time.Now(); now.Before(k.lowestUntil) && tip.Cmp(k.lowest) <= 0 {
		return false, nil // a refusal is cheap: the whole pool is looked at once a second
	}
	all := k.pooled()
	slices.SortFunc(all, func(a, b *types.Transaction) int { return a.GasTipCapCmp(b) })
	lowest, found := k.threshold(all, tip)
	if !found {
		if len(all) > 0 {
			k.lowest, k.lowestUntil = all[0].GasTipCap(), time.Now().Add(sweepEvery)
		}
		return false, nil
	}
	var outbid []Ending
	for _, tx := range all {
		if tx.GasTipCapIntCmp(lowest) >= 0 {
			break
		}
		outbid = append(outbid, Ending{Hash: tx.Hash(), Kind: Dropped, Reason: "the transaction pool was full, and others pay a higher tip"})
	}
	if err := k.end(outbid, ReasonOutbid); err != nil {
		return false, err
	}
	k.pool.DropBelow(lowest)
	return true, nil
}

// threshold is the lowest tip that stays, at most a given one, when the pool's share is freed of what is sorted by tip.
func (k *Keeper) threshold(sorted []*types.Transaction, most *big.Int) (*big.Int, bool) {
	count, bytes := k.store.options.Transactions/evictShare, k.store.options.TransactionBytes/evictShare
	freed, size := 0, int64(0)
	for _, tx := range sorted {
		if freed > count || size > bytes {
			if tx.GasTipCapIntCmp(most) <= 0 && tx.GasTipCapCmp(sorted[0]) > 0 {
				return tx.GasTipCap(), true
			}
			if tx.GasTipCapIntCmp(most) > 0 {
				break
			}
		}
		freed, size = freed+1, size+int64(tx.Size())
	}
	// As much as that does not pay less: what pays less than the new one is freed all the same.
	return most, len(sorted) > 0 && sorted[0].GasTipCapIntCmp(most) < 0
}

func (k *Keeper) pooled() (all []*types.Transaction) {
	pending, queued := k.pool.Pool()
	for _, accounts := range []map[common.Address][]*types.Transaction{pending, queued} {
		for _, txs := range accounts {
			all = append(all, txs...)
		}
	}
	return all
}

// expire ends what could not be executed for the lifetime. How long that is, is counted from when this process first saw it.
func (k *Keeper) expire(ctx context.Context, now time.Time) error {
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
	return k.drop(ctx, expired, ReasonExpired)
}

// Drop ends acknowledged transactions for an operator: one, all of an account, or both. It returns how many there were.
func (k *Keeper) Drop(ctx context.Context, hash common.Hash, from common.Address) (int, error) {
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
	return len(gone), k.drop(ctx, gone, ReasonAdmin)
}

// drop ends transactions and takes them out of the pool. Geth's pool removes nothing by name, so it is emptied and filled again
// with all others.
func (k *Keeper) drop(ctx context.Context, gone []Ending, reason string) error {
	if len(gone) == 0 {
		return nil
	}
	if err := k.end(gone, reason); err != nil {
		return err
	}
	k.pool.Clear()
	return k.each(ctx, k.offerMissing)
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
