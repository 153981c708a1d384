package outbox

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Run waits until ctx ends or the disk fails. The box stays open: others may be in the middle of something.
func (b *Box) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-b.failed:
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
}

// Close closes the box. Nothing may use it any more. One whose disk failed is left as it is: the store may hold locks that
// it will never give back.
func (b *Box) Close() error {
	b.mu.Lock()
	dead := b.dead
	b.mu.Unlock()
	if dead {
		return nil
	}
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("close outbox: %w", err)
	}
	return nil
}

// Len is how many items there are.
func (b *Box) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Sealed is how many items have a seq.
func (b *Box) Sealed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.bySeq)
}

// Oldest is when the oldest item was added, zero without items.
func (b *Box) Oldest() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var oldest uint64
	for _, e := range b.items {
		if oldest == 0 || e.Since < oldest {
			oldest = e.Since
		}
	}
	if oldest == 0 {
		return time.Time{}
	}
	return time.Unix(int64(oldest), 0)
}

// Accepted tells whether there is an item that the rollup has accepted, or that is queued.
func (b *Box) Accepted(hash common.Hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	return e != nil && e.accepted
}

// Accept notes that the rollup accepted an item. It is due for a look at a time.
func (b *Box) Accept(hash common.Hash, due time.Time) {
	defer b.tell(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil {
		e.accepted, e.sealing, e.due = true, false, due
	}
}

// Unsure are the sealed items of an account that may never have reached the rollup, in the order of seq: those from before a restart
// and those that it has not acknowledged.
func (b *Box) Unsure(from common.Address) []Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	var unsure []Item
	for e := range b.from[from] {
		if e.unsure {
			unsure = append(unsure, e.Item)
		}
	}
	slices.SortFunc(unsure, func(a, b Item) int { return cmp.Compare(a.Seq, b.Seq) })
	return unsure
}

// HandedIn notes that the rollup has an item that was unsure.
func (b *Box) HandedIn(hash common.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil {
		e.unsure = false
	}
}

// NextNonce is the first nonce from a given one on that no item uses which has a seq.
func (b *Box) NextNonce(from common.Address, nonce uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.nonces[from][nonce] > 0 {
		nonce++
	}
	return nonce
}

// Spent is what the items of an account may cost it together, from a nonce on, queued ones included; but not the one that is queued
// with the nonce `without`.
func (b *Box) Spent(from common.Address, nonce, without uint64) *big.Int {
	b.mu.Lock()
	defer b.mu.Unlock()
	spent := new(big.Int)
	for e := range b.from[from] {
		if e.Nonce >= nonce && e.use.Cost != nil && !(e.queued && e.Nonce == without) {
			spent.Add(spent, e.use.Cost)
		}
	}
	return spent
}

// Due returns accepted items with a seq that are due, in the order of arrival, at most a number of them.
func (b *Box) Due(now time.Time, most int) []Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []Item
	for _, e := range b.items {
		if e.accepted && !e.queued && !e.sealing && !now.Before(e.due) {
			due = append(due, e.Item)
		}
	}
	slices.SortFunc(due, func(a, b Item) int { return cmp.Compare(a.Number, b.Number) })
	return due[:min(most, len(due))]
}

// Postpone makes an item due later: wait is asked how long after the number of looks at it so far.
func (b *Box) Postpone(hash common.Hash, now time.Time, wait func(visits int) time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil {
		e.due = now.Add(wait(e.visits))
		e.visits++
	}
}

// Find returns the item of a hash that the rollup has accepted, or that is queued.
func (b *Box) Find(hash common.Hash) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	if e == nil || !e.accepted {
		return Item{}, false
	}
	return e.Item, true
}
