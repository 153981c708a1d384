package outbox

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// NextSeq is the seq that the next item would get.
func (b *Box) NextSeq() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.next
}

// Answer is what the leader says is the submitter's next seq, and what NextSeq was before it was asked.
type Answer struct {
	Known         bool // it was asked
	Mine, Leaders uint64
}

// Reserve gives an item its number and its seq. The item is not durable before Put. It is unsure until HandedIn.
//
// While sealed items wait, their seqs are followed by the next one, whatever the leader has of them. When none waits, the leader's
// answer counts: it knows what was ordered, and after the chain's lifetime without one of ours the sequence begins again at 0.
// An answer from before another item was reserved is old and does not count.
func (b *Box) Reserve(item Item, use Use, a Answer) (Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items[item.Hash] != nil {
		return item, fmt.Errorf("keep transaction: %w", ErrKnown)
	}
	if len(b.items) >= b.most {
		return item, fmt.Errorf("keep transaction: %w: %d", ErrFull, b.most)
	}
	b.state.last++
	item.Number, item.Seq = b.state.last, b.take(a)
	b.keep(&entry{Item: item, use: use, unsure: true})
	return item, nil
}

// take hands out the next seq.
func (b *Box) take(a Answer) uint64 {
	if a.Known && len(b.bySeq) == 0 && b.state.next == a.Mine {
		b.state.next = a.Leaders
	}
	b.state.next++
	return b.state.next - 1
}

// Renew gives an item the next free seq, from the leader's on, because its own is used by something else.
func (b *Box) Renew(hash common.Hash, leaders uint64) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.move(hash, max(b.state.next, leaders))
}

// Move gives an item another seq, unless another item has it.
func (b *Box) Move(hash common.Hash, seq uint64) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.move(hash, seq)
}

func (b *Box) move(hash common.Hash, seq uint64) (Item, bool) {
	e := b.items[hash]
	if e == nil || e.queued || b.bySeq[seq] != nil && b.bySeq[seq] != e {
		return Item{}, false
	}
	down := seq < e.Seq
	if b.bySeq[e.Seq] == e {
		delete(b.bySeq, e.Seq)
	}
	e.Seq = seq
	b.bySeq[seq] = e
	if down { // perhaps the sequence began again
		b.state.next = b.afterLast()
	} else {
		b.state.next = max(b.state.next, seq+1)
	}
	return e.Item, true
}

// afterLast is the seq after that of all items.
func (b *Box) afterLast() (next uint64) {
	for seq := range b.bySeq {
		next = max(next, seq+1)
	}
	return next
}

// At is the item that has a seq, unless it is just being taken.
func (b *Box) At(seq uint64) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.bySeq[seq]
	if e == nil || !e.accepted || e.sealing {
		return Item{}, false
	}
	return e.Item, true
}

// Missing says whether no item has a seq although a later one is taken, and names the item with the first later seq.
func (b *Box) Missing(seq uint64) (later Item, missing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bySeq[seq] != nil {
		return Item{}, false
	}
	for _, e := range b.bySeq {
		if e.durable && !e.sealing && e.Seq > seq && (!missing || e.Seq < later.Seq) {
			later, missing = e.Item, true
		}
	}
	return later, missing
}

// GiveBack forgets an item that the leader does not have, and its seq if it is the last one.
func (b *Box) GiveBack(hash common.Hash) error {
	b.mu.Lock()
	if e := b.items[hash]; e != nil && !e.queued && e.Seq+1 == b.state.next {
		b.state.next--
	}
	b.mu.Unlock()
	return b.Remove(hash)
}

// Ordered notes the number at which one of ours was ordered.
func (b *Box) Ordered(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.ordered = max(b.state.ordered, number)
}

// LastOrdered is the highest number noted, 0 for none. It is durable with the next change.
func (b *Box) LastOrdered() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.ordered
}
