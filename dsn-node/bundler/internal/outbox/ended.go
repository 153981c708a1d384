package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"blindseq/kit/notify"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
)

// How items end, as in logs and metrics.
const (
	Included = "included"
	Replaced = "replaced" // another one used its nonce
	Skipped  = "skipped"  // ordered and never to be in a block
	Expired  = "expired"
	Dropped  = "dropped" // never sealed
)

// maxEnded is how many endings are remembered.
const maxEnded = 10_000

// Ending is how an item ended that is in no block.
type Ending struct{ Result, Reason string }

// endedRecord is an ending on the disk.
type endedRecord struct {
	Hash   common.Hash
	Ending Ending
}

// endings are the last ones.
type endings struct {
	byHash  map[common.Hash]Ending
	order   []endedKey // the oldest first
	changed *notify.Broadcast
}

type endedKey struct {
	hash   common.Hash
	number uint64 // of the item
}

func newEndings() endings { return endings{map[common.Hash]Ending{}, nil, new(notify.Broadcast)} }

func endedPlace(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixEnded}, number)
}

func (b *Box) loadEnded() (err error) {
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixEnded}, UpperBound: []byte{prefixEnded + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		var r endedRecord
		if err := b.decode(it.Key(), it.Value(), &r); err != nil {
			return fmt.Errorf("read ending %x: %w", it.Key(), err)
		}
		number := binary.BigEndian.Uint64(it.Key()[1:])
		b.ended.add(endedKey{r.Hash, number}, r.Ending)
		b.state.last = max(b.state.last, number)
	}
	return it.Error()
}

// End forgets an item that will be in no block, and remembers why.
func (b *Box) End(hash common.Hash, how Ending) error {
	err := b.remove(hash, func(batch *pebble.Batch, item Item) error { return b.endIn(batch, item, how) })
	b.ended.changed.Notify()
	return err
}

// endIn makes the ending of an item part of a batch that deletes it, and of what is known. A batch that fails ends the box.
func (b *Box) endIn(batch *pebble.Batch, item Item, how Ending) error {
	value, err := b.encode(endedPlace(item.Number), &endedRecord{item.Hash, how})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, number := range b.ended.add(endedKey{item.Hash, item.Number}, how) {
		err = errors.Join(err, batch.Delete(endedPlace(number), nil))
	}
	return errors.Join(err, batch.Delete(itemKey(item.Number), nil), batch.Set(endedPlace(item.Number), value, nil))
}

// add remembers an ending, and returns the numbers of those that are forgotten for it: an earlier one of the same transaction, and
// the oldest.
func (n *endings) add(key endedKey, how Ending) (forgotten []uint64) {
	if _, again := n.byHash[key.hash]; again {
		i := slices.IndexFunc(n.order, func(k endedKey) bool { return k.hash == key.hash })
		if n.order[i].number != key.number {
			forgotten = append(forgotten, n.order[i].number)
		}
		n.order = slices.Delete(n.order, i, i+1)
	}
	n.byHash[key.hash] = how
	n.order = append(n.order, key)
	for len(n.order) > maxEnded {
		delete(n.byHash, n.order[0].hash)
		forgotten = append(forgotten, n.order[0].number)
		n.order = n.order[1:]
	}
	return forgotten
}

// Ended says how an item ended that is in no block. One that was sent again and waits has not ended.
func (b *Box) Ended(hash common.Hash) (Ending, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how, ok := b.ended.byHash[hash]
	return how, ok && b.items[hash] == nil
}

// EndedChanged returns a channel that is closed when another item has ended that is in no block.
func (b *Box) EndedChanged() <-chan struct{} { return b.ended.changed.Changed() }
