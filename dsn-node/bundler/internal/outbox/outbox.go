// Package outbox keeps the transactions that a bundler has to bring into a block, and the sequence of its sealed transactions.
// An item is queued until it is its turn to be sealed; from then on it has a seq.
//
// It guarantees: an item is durable when Put or Queue returns, and gone for good when Remove or End does; no two items have one
// seq; and seqs are handed out without a gap. How the last items ended that are in no block, it knows after a restart too.
//
// # What is on the disk
//
// Of each item the plain transaction, its hash, sender, nonce and use, and the sealed bytes once there are any. Of those that
// ended in no block, the hash and the reason. The plain transaction is needed: a
// sealed one expires, or loses its seq, and must be sealed anew, also when the process was killed in between; without it an
// acknowledged transaction would be lost. All of it is encrypted with a key made from the bundler's identity key. So a thief
// of this folder, of its snapshots and its backups reads how many transactions wait, their sizes, and the counters beside
// them. A thief of the folder and of the identity key reads every transaction that waits, and, from old copies, those that
// waited then. Keep the two apart, or protect the identity key with a passphrase.
package outbox

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrFull says that there are as many items as may be.
	ErrFull = errors.New("too many transactions wait for a block")
	// ErrAccountFull says that as many items of one account are queued as may be.
	ErrAccountFull = errors.New("too many transactions of this account wait for earlier ones")
	// ErrKnown says that there is an item of this hash.
	ErrKnown = errors.New("transaction waits for a block already")
	// ErrStorage says that the disk failed; the box is of no use any more.
	ErrStorage = errors.New("outbox failed")
)

// Item is a transaction on its way, known by its hash.
type Item struct {
	Hash   common.Hash
	From   common.Address
	Nonce  uint64
	Number uint64 // of the item: ascending in the order of arrival
	Since  uint64 // seconds of Unix time

	// Of its sealed transaction; zero while it is queued.
	ID     common.Hash
	Seq    uint64
	Expiry uint64
}

// Use is what a transaction will change of accounts once it is executed, so that later transactions of those can be judged
// before it is.
type Use struct {
	// Nonces are those it uses beyond its sender's: of accounts that sign with it (EIP-7702).
	Nonces []AccountNonce
	// Cost is what its sender may pay at most, in wei.
	Cost *big.Int
}

// AccountNonce is a nonce of an account.
type AccountNonce struct {
	Account common.Address
	Nonce   uint64
}

// Keys in the store: 'i' and an item's number to its record, 'e' and an item's number to how it ended, 'n' to the state, and 'l' to the
// list of bundlers.
const (
	prefixItem  = 'i'
	prefixEnded = 'e'
	keyState    = 'n'
	keyList     = 'l'
)

// Box is an open outbox. Its methods may be called from any goroutine.
type Box struct {
	db     *pebble.DB
	aead   cipher.AEAD
	most   int
	failed chan error
	write  func(batch *pebble.Batch) error // durably

	watched watched

	mu     sync.Mutex
	dead   bool // a write failed
	state  state
	items  map[common.Hash]*entry
	bySeq  map[uint64]*entry                 // of those that are not queued
	nonces map[common.Address]map[uint64]int // how many items that are not queued use each
	queued map[AccountNonce]*entry
	from   map[common.Address]map[*entry]bool
	held   map[common.Address]int // how often each account is held
	ended  endings
}

// entry is an item and what is known of it in memory only.
type entry struct {
	Item
	use      Use
	durable  bool
	queued   bool   // it is not its turn to be sealed
	sealing  bool   // it was queued and is being sealed
	accepted bool   // by the rollup, once, or queued and acknowledged; from before a restart: perhaps
	unsure   bool   // sealed before a restart, and not handed in since
	reason   string // why it is queued, as far as known
	visits   int
	due      time.Time
}

// Open opens the outbox in dir, for at most a number of items; more may be there from before. key is the submitter's.
func Open(dir string, most int, key *ecdsa.PrivateKey) (*Box, error) {
	aead, err := cipherOf(key)
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open outbox: %w: %w", ErrStorage, err)
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 16 << 20, MaxOpenFiles: 64})
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w: %w", ErrStorage, err)
	}
	b := &Box{
		db: db, aead: aead, most: most, failed: make(chan error, 1),
		items: map[common.Hash]*entry{}, bySeq: map[uint64]*entry{}, nonces: map[common.Address]map[uint64]int{},
		queued: map[AccountNonce]*entry{}, from: map[common.Address]map[*entry]bool{}, held: map[common.Address]int{},
		ended: newEndings(),
	}
	b.write = func(batch *pebble.Batch) error { return batch.Commit(pebble.Sync) }
	if err := b.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open outbox: %w: %w", ErrStorage, err), db.Close())
	}
	return b, nil
}

func (b *Box) load() error {
	value, closer, err := b.db.Get([]byte{keyState})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	b.state, err = decodeState(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	return errors.Join(b.loadItems(), b.loadEnded())
}

// loadItems reads the items. A seq above theirs was handed out for nothing: its item never became durable. The state may be
// older than an item, as several are made durable at a time.
func (b *Box) loadItems() (err error) {
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixItem}, UpperBound: []byte{prefixItem + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		r := new(record)
		if err := b.decode(it.Key(), it.Value(), r); err != nil {
			return fmt.Errorf("read item %x: %w", it.Key(), err)
		}
		queued := len(r.Content.Sealed) == 0
		b.keep(&entry{Item: r.Item, use: r.Use, durable: true, queued: queued, accepted: true, unsure: !queued})
		b.state.last = max(b.state.last, r.Item.Number)
	}
	if len(b.bySeq) > 0 {
		b.state.next = b.afterLast()
	}
	return it.Error()
}

func (b *Box) keep(e *entry) {
	b.items[e.Hash] = e
	if e.queued {
		b.queued[AccountNonce{e.From, e.Nonce}] = e
	} else {
		b.number(e)
	}
	if b.from[e.From] == nil {
		b.from[e.From] = map[*entry]bool{}
	}
	b.from[e.From][e] = true
}

// number enters what an item uses that has a seq.
func (b *Box) number(e *entry) {
	b.bySeq[e.Seq] = e
	for _, one := range e.nonces() {
		if b.nonces[one.Account] == nil {
			b.nonces[one.Account] = map[uint64]int{}
		}
		b.nonces[one.Account][one.Nonce]++
	}
}

// free takes back what number entered.
func (b *Box) free(e *entry) {
	if b.bySeq[e.Seq] == e {
		delete(b.bySeq, e.Seq)
	}
	for _, one := range e.nonces() {
		used := b.nonces[one.Account]
		if used[one.Nonce]--; used[one.Nonce] == 0 {
			delete(used, one.Nonce)
		}
		if len(used) == 0 {
			delete(b.nonces, one.Account)
		}
	}
}

// nonces are all that an item uses.
func (e *entry) nonces() []AccountNonce {
	return append([]AccountNonce{{e.From, e.Nonce}}, e.use.Nonces...)
}

func (b *Box) forget(e *entry) {
	delete(b.items, e.Hash)
	if at := (AccountNonce{e.From, e.Nonce}); !e.queued {
		b.free(e)
	} else if b.queued[at] == e {
		delete(b.queued, at)
	}
	if delete(b.from[e.From], e); len(b.from[e.From]) == 0 {
		delete(b.from, e.From)
	}
}

// Put makes an item durable, with its sealed transaction. One that is there already is replaced.
func (b *Box) Put(item Item, content Content) error {
	defer b.tell(item.Hash)
	value, err := b.encode(itemKey(item.Number), &record{item, content, b.useOf(item.Hash)})
	if err == nil {
		err = b.store(func(batch *pebble.Batch) error { return batch.Set(itemKey(item.Number), value, nil) })
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[item.Hash]
	switch {
	case err != nil && e != nil && !e.durable:
		b.forget(e)
	case err == nil && e != nil:
		e.Item, e.durable = item, true
	}
	if err != nil {
		return fmt.Errorf("keep transaction: %w", b.broken(err))
	}
	return nil
}

func (b *Box) useOf(hash common.Hash) Use {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil {
		return e.use
	}
	return Use{}
}

// store makes a change durable, and the state with it.
func (b *Box) store(change func(*pebble.Batch) error) error {
	batch := b.db.NewBatch()
	defer batch.Close() // committed or dropped
	b.mu.Lock()
	now := b.state.encode()
	b.mu.Unlock()
	if err := errors.Join(change(batch), batch.Set([]byte{keyState}, now, nil)); err != nil {
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

// Content reads what an item carries; nil when there is no such item any more.
func (b *Box) Content(hash common.Hash) (*Content, error) {
	item, known := b.item(hash)
	if !known {
		return nil, nil
	}
	place := itemKey(item.Number)
	value, closer, err := b.db.Get(place)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction: %w", b.lost(err))
	}
	defer closer.Close() // only read
	r := new(record)
	if err := b.decode(place, value, r); err != nil {
		return nil, fmt.Errorf("read transaction: %w", b.lost(err))
	}
	return &r.Content, nil
}

// item is a copy of an item as it is now.
func (b *Box) item(hash common.Hash) (item Item, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.items[hash]
	if e == nil {
		return item, false
	}
	return e.Item, true
}

// Remove forgets an item that nobody was answered for, or that is in a block.
func (b *Box) Remove(hash common.Hash) error {
	return b.remove(hash, func(*pebble.Batch, Item) error { return nil })
}

// remove deletes an item, and makes a change with it.
func (b *Box) remove(hash common.Hash, also func(*pebble.Batch, Item) error) error {
	defer b.tell(hash)
	item, known := b.item(hash)
	if !known {
		return nil
	}
	err := b.store(func(batch *pebble.Batch) error {
		return errors.Join(batch.Delete(itemKey(item.Number), nil), also(batch, item))
	})
	if err != nil {
		return fmt.Errorf("forget transaction: %w", b.lost(err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil && e.Number == item.Number {
		b.forget(e)
	}
	return nil
}

// lost is broken for a caller that does not hold the lock.
func (b *Box) lost(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken(err)
}

// broken makes Run end: what the disk holds is not known any more. The caller holds the lock.
func (b *Box) broken(err error) error {
	b.dead = true
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
