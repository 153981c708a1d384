package outbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
)

// maxQueued is how many items of one account may be queued, as in geth's pool. All accounts together have half of the box: who
// queues what can never run keeps nobody from sending what can.
const maxQueued = 64

// Queue keeps an item until it is its turn to be sealed, durably. It takes the place of a queued one of the same nonce, which ends
// then, with the new one's hash in its reason. The caller sees to it that no two calls are about one account at the same time.
func (b *Box) Queue(item Item, use Use, raw []byte) (Item, error) {
	e, old, err := b.admit(item, use)
	if err != nil {
		return item, fmt.Errorf("keep transaction: %w", err)
	}
	value, err := b.encode(itemKey(e.Number), &record{e.Item, Content{Raw: raw}, use})
	if err == nil {
		err = b.store(func(batch *pebble.Batch) error {
			if err := batch.Set(itemKey(e.Number), value, nil); err != nil || old == nil {
				return err
			}
			return b.endIn(batch, old.Item, replacedBy(item.Hash))
		})
	}
	if old != nil {
		defer b.tell(old.Hash)
	}
	defer b.tell(item.Hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		delete(b.items, item.Hash)
		return item, fmt.Errorf("keep transaction: %w", b.broken(err))
	}
	if old != nil && b.items[old.Hash] == old {
		b.forget(old)
		b.ended.changed.Notify()
	}
	e.durable, e.accepted = true, true
	b.keep(e)
	return e.Item, nil
}

// replacedBy is how an item ends whose nonce another one of this box has taken.
func replacedBy(hash common.Hash) Ending {
	return Ending{Result: Replaced, Reason: fmt.Sprintf("replaced by %s before it was sealed", hash)}
}

// admit gives an item a place among the queued ones, and its number. Others do not see it before it is durable.
func (b *Box) admit(item Item, use Use) (e, old *entry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old = b.queued[AccountNonce{item.From, item.Nonce}]
	switch {
	case b.items[item.Hash] != nil:
		return nil, nil, ErrKnown
	case len(b.items) >= b.most || old == nil && len(b.queued) >= (b.most+1)/2:
		return nil, nil, fmt.Errorf("%w: %d", ErrFull, len(b.items))
	case old == nil && b.queuedOf(item.From) >= maxQueued:
		return nil, nil, fmt.Errorf("%w: %d", ErrAccountFull, maxQueued)
	}
	b.state.last++
	item.Number = b.state.last
	e = &entry{Item: item, use: use, queued: true}
	b.items[item.Hash] = e
	return e, old, nil
}

func (b *Box) queuedOf(from common.Address) (n int) {
	for e := range b.from[from] {
		if e.queued {
			n++
		}
	}
	return n
}

// Queued is the item that is queued with a nonce of an account.
func (b *Box) Queued(from common.Address, nonce uint64) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.queued[AccountNonce{from, nonce}]
	if e == nil {
		return Item{}, false
	}
	return e.Item, true
}

// QueuedCount is how many items are queued.
func (b *Box) QueuedCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queued)
}

// FirstQueued is the queued item of an account with the lowest nonce.
func (b *Box) FirstQueued(from common.Address) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.firstQueued(from)
	if e == nil {
		return Item{}, false
	}
	return e.Item, true
}

func (b *Box) firstQueued(from common.Address) (first *entry) {
	for e := range b.from[from] {
		if e.queued && (first == nil || e.Nonce < first.Nonce) {
			first = e
		}
	}
	return first
}

// QueuedDue are the queued items that are due for a look, in the order of arrival, at most a number of them: of each account the one
// with the lowest nonce, which the others wait for.
func (b *Box) QueuedDue(now time.Time, most int) []Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []Item
	for from := range b.queuing() {
		if e := b.firstQueued(from); !now.Before(e.due) {
			due = append(due, e.Item)
		}
	}
	slices.SortFunc(due, func(a, b Item) int { return cmp.Compare(a.Number, b.Number) })
	return due[:min(most, len(due))]
}

// Queuing are the accounts with queued items.
func (b *Box) Queuing() (accounts []common.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for from := range b.queuing() {
		accounts = append(accounts, from)
	}
	return accounts
}

func (b *Box) queuing() map[common.Address]bool {
	accounts := map[common.Address]bool{}
	for at := range b.queued {
		accounts[at.Account] = true
	}
	return accounts
}

// Why notes why an item is still queued, and Waiting says it.
func (b *Box) Why(hash common.Hash, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil && e.queued {
		e.reason = reason
	}
}

// Waiting says whether an item is queued, and why if that is known.
func (b *Box) Waiting(hash common.Hash) (reason string, queued bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	if e == nil || !e.queued || !e.durable {
		return "", false
	}
	return e.reason, true
}

// Promote gives a queued item its seq, as Reserve does for a new one. It stays queued on the disk until Put, and is looked at by
// nobody until Accept or Demote. It is unsure until HandedIn.
func (b *Box) Promote(hash common.Hash, use Use, a Answer) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	if e == nil || !e.queued || !e.durable {
		return Item{}, false
	}
	delete(b.queued, AccountNonce{e.From, e.Nonce})
	e.queued, e.sealing, e.unsure, e.use, e.Seq, e.visits = false, true, true, use, b.take(a), 0
	b.number(e)
	return e.Item, true
}

// Demote queues an item again that was promoted and could not be sealed.
func (b *Box) Demote(hash common.Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	if e == nil || !e.sealing {
		return
	}
	if e.Seq+1 == b.state.next {
		b.state.next--
	}
	b.free(e)
	e.queued, e.sealing, e.unsure, e.Seq, e.use.Nonces = true, false, false, 0, nil
	b.queued[AccountNonce{e.From, e.Nonce}] = e
}

// Nonces are nonces of an account.
type Nonces map[uint64]bool

// Nonces are those of an account that its acknowledged items use, and items of others for it.
func (b *Box) Nonces(account common.Address) Nonces {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := Nonces{}
	for nonce := range b.nonces[account] {
		used[nonce] = true
	}
	for e := range b.from[account] {
		if e.accepted {
			used[e.Nonce] = true
		} else {
			delete(used, e.Nonce)
		}
	}
	return used
}

// Next is the first nonce from a given one on that is not among them.
func (n Nonces) Next(nonce uint64) uint64 {
	for n[nonce] {
		nonce++
	}
	return nonce
}
