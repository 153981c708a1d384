// Package outbox keeps the bundles that a bundler has to bring into a block, until they are in one.
//
// It guarantees that an item is durable when Add returns, and gone for good when Remove does.
//
// What is kept is the bundle, not the plain transaction in it: the bundle is all that sending it again takes, and a plain
// transaction on a disk (its snapshots, its backups) would be readable before its place is fixed, which is what encrypting
// it is against. The price: only its wallet can encrypt it again, for example for another committee. Sender and nonce
// are kept beside it, in plain: without them a transaction whose nonce another one took would be sent for ever.
package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

var (
	// ErrFull says that there are as many items as may be.
	ErrFull = errors.New("too many transactions wait for a block")
	// ErrKnown says that there is an item of this hash.
	ErrKnown = errors.New("transaction waits for a block already")
	// ErrStorage says that the disk failed; the box is of no use any more.
	ErrStorage = errors.New("outbox failed")
)

// Item is a bundle on its way, known by the hash of the plain transaction in it.
type Item struct {
	Hash   common.Hash
	From   common.Address
	Nonce  uint64 // of the plain transaction
	Number uint64 // of the item: ascending in the order of arrival
	Since  uint64 // seconds of Unix time
}

type record struct {
	Item   Item
	Bundle []byte
}

// Keys in the store: 'i' and an item's number to its record, and 'n' to the last number given.
const (
	prefixItem = 'i'
	keyNumber  = 'n'
)

// Box is an open outbox. Its methods may be called from any goroutine.
type Box struct {
	db     *pebble.DB
	most   int
	failed chan error
	write  func(batch *pebble.Batch) error // durably

	mu     sync.Mutex
	dead   bool // a write failed
	last   uint64
	items  map[common.Hash]*entry
	nonces map[account]int // how many items there are for each
}

type account struct {
	from  common.Address
	nonce uint64
}

// entry is an item and what is known of it in memory only.
type entry struct {
	Item
	accepted bool // by the rollup, once; from before a restart: perhaps
	unsure   bool // from before a restart, and not handed in since
	visits   int
	due      time.Time
}

// Open opens the outbox in dir, for at most a number of items; more may be there from before.
func Open(dir string, most int) (*Box, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open outbox: %w: %w", ErrStorage, err)
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 16 << 20, MaxOpenFiles: 64})
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w: %w", ErrStorage, err)
	}
	b := &Box{db: db, most: most, failed: make(chan error, 1), items: map[common.Hash]*entry{}, nonces: map[account]int{}}
	b.write = func(batch *pebble.Batch) error { return batch.Commit(pebble.Sync) }
	if err := b.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open outbox: %w: %w", ErrStorage, err), db.Close())
	}
	return b, nil
}

func (b *Box) load() (err error) {
	value, closer, err := b.db.Get([]byte{keyNumber})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(value) != 8:
		return errors.Join(errors.New("damaged number"), closer.Close())
	}
	b.last = binary.BigEndian.Uint64(value)
	if err := closer.Close(); err != nil {
		return err
	}
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixItem}, UpperBound: []byte{prefixItem + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		var r record
		if err := rlp.DecodeBytes(it.Value(), &r); err != nil {
			return fmt.Errorf("decode item %x: %w", it.Key(), err)
		}
		b.keep(&entry{Item: r.Item, accepted: true, unsure: true})
	}
	return it.Error()
}

func (b *Box) keep(e *entry) {
	b.items[e.Hash] = e
	b.nonces[account{e.From, e.Nonce}]++
}

func (b *Box) forget(e *entry) {
	delete(b.items, e.Hash)
	a := account{e.From, e.Nonce}
	if b.nonces[a]--; b.nonces[a] == 0 {
		delete(b.nonces, a)
	}
}

// Next is a number for the next item. It is never given again, but for one whose Add did not return before a crash.
func (b *Box) Next() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return b.last
}

// Add makes an item durable.
func (b *Box) Add(item Item, bundle []byte) error {
	if err := b.reserve(item); err != nil {
		return fmt.Errorf("keep transaction %s: %w", item.Hash, err)
	}
	value, err := rlp.EncodeToBytes(&record{item, bundle})
	if err == nil {
		err = b.put(item.Number, value)
	}
	if err != nil {
		b.mu.Lock()
		b.forget(b.items[item.Hash])
		b.mu.Unlock()
		return fmt.Errorf("keep transaction %s: %w", item.Hash, b.broken(err))
	}
	return nil
}

func (b *Box) reserve(item Item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items[item.Hash] != nil {
		return ErrKnown
	}
	if len(b.items) >= b.most {
		return fmt.Errorf("%w: %d", ErrFull, b.most)
	}
	b.keep(&entry{Item: item})
	return nil
}

func (b *Box) put(number uint64, value []byte) error {
	batch := b.db.NewBatch()
	defer batch.Close() // committed or dropped
	b.mu.Lock()
	last := binary.BigEndian.AppendUint64(nil, b.last)
	b.mu.Unlock()
	if err := errors.Join(batch.Set(itemKey(number), value, nil), batch.Set([]byte{keyNumber}, last, nil)); err != nil {
		return err
	}
	return b.commit(batch)
}

// commit makes a batch durable. The store panics when it cannot write its log, a full disk included; here that is an error
// like any other, so that the bundler ends and says what it was.
func (b *Box) commit(batch *pebble.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("write: %v", r)
		}
	}()
	return b.write(batch)
}

// Bundle reads an item's bundle; nil when there is no such item any more.
func (b *Box) Bundle(hash common.Hash) ([]byte, error) {
	b.mu.Lock()
	e := b.items[hash]
	b.mu.Unlock()
	if e == nil {
		return nil, nil
	}
	value, closer, err := b.db.Get(itemKey(e.Number))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", hash, b.broken(err))
	}
	defer closer.Close() // only read
	var r record
	if err := rlp.DecodeBytes(value, &r); err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", hash, b.broken(err))
	}
	return r.Bundle, nil
}

// Remove forgets an item.
func (b *Box) Remove(hash common.Hash) error {
	b.mu.Lock()
	e := b.items[hash]
	b.mu.Unlock()
	if e == nil {
		return nil
	}
	batch := b.db.NewBatch()
	defer batch.Close() // committed or dropped
	if err := errors.Join(batch.Delete(itemKey(e.Number), nil), b.commit(batch)); err != nil {
		return fmt.Errorf("forget transaction %s: %w", hash, b.broken(err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items[hash] == e {
		b.forget(e)
	}
	return nil
}

// broken makes Run end: what the disk holds is not known any more.
func (b *Box) broken(err error) error {
	b.mu.Lock()
	b.dead = true
	b.mu.Unlock()
	select {
	case b.failed <- err:
	default:
	}
	return fmt.Errorf("%w: %w", ErrStorage, err)
}

func itemKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixItem}, number)
}

// silent drops the store's chatter; its errors come back from the calls.
type silent struct{}

func (silent) Infof(string, ...any) {}

// Fatalf is called when the store's background work meets an error that it cannot return.
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf("outbox: "+format, args...)) }
