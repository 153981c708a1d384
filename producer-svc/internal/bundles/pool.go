// Package bundles is the pool of encrypted bundles. Their transactions cannot be read before they are ordered, so the pool of
// plain transactions cannot check them.
//
// It guarantees: an accepted bundle is durable, is offered to every proposal in order of arrival, and stays until the block
// that contains its outcome is applied; no two bundles in the pool, and none in the pool and in a block that
// opened it, share a ciphertext; what the pool holds is bounded, and no bundle enters it whose ciphertext's proof does not
// hold. Its methods may be called from any goroutine.
package bundles

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"blindseq/producer-svc/internal/txstore"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Reasons not to take a bundle.
var (
	// ErrKnown: the bundle is in the pool; it reads as that of a transaction.
	ErrKnown = txpool.ErrAlreadyKnown
	// ErrCiphertextKnown: another bundle with its ciphertext is in the pool. It could not be opened a second time.
	ErrCiphertextKnown = errors.New("another bundle with this ciphertext is in the pool")
	// ErrOrdered: the bundle, or another one with its ciphertext, is in a block.
	ErrOrdered = errors.New("bundle is ordered already")
	// ErrBusy: the same bundle is just being taken.
	ErrBusy = errors.New("the same bundle is just being received; ask again")
	// ErrFull: a limit of the pool is reached.
	ErrFull = errors.New("bundle pool is full")
	// ErrSigner: the bundle is not signed by a bundler that may send here.
	ErrSigner = errors.New("bundler is not allowed")
)

// Limits of a pool. Zero fields take the defaults.
type Limits struct {
	Bundles int // default 10,000
	Bytes   int // default 64 MiB
}

// Store keeps bundles over a restart.
type Store interface {
	AddBundles([]txstore.Tx) error
	RemoveBundles([]common.Hash) error
	Bundles() ([]txstore.Tx, error)
}

// Config of a pool.
type Config struct {
	Store Store
	// Ordered finds the block that has a bundle's hash or the ID of an opened ciphertext.
	Ordered func(name common.Hash) (number uint64, ok bool, err error)
	// Allowed are the bundlers that may send; nil for everyone, unsigned bundles too.
	Allowed map[common.Address]bool
	Limits  Limits
	// Arrived is called after bundles were taken.
	Arrived func()
	// Checked is called with the time of checking one submission.
	Checked func(took time.Duration)
}

// State is how far a bundle in the pool has come.
type State string

// The states.
const (
	Received State = "received" // durable, and in no proposal yet
	Queued   State = "queued"   // in a proposal
	Ordered  State = "ordered"  // its place is decided; the block is being applied
)

type entry struct {
	hash, id common.Hash
	claims   []common.Hash // of the transactions that its sender says are in it
	raw      []byte        // nil while it is being taken
	state    State
}

// Pool is the pool.
type Pool struct {
	cfg Config

	mu      sync.Mutex
	order   []*entry // those taken, by arrival
	byHash  map[common.Hash]*entry
	byID    map[common.Hash]*entry
	byClaim map[common.Hash][]*entry // those taken, by arrival
	bytes   int
}

// New returns an empty pool; Recover fills it.
func New(cfg Config) *Pool {
	if cfg.Limits.Bundles == 0 {
		cfg.Limits.Bundles = 10_000
	}
	if cfg.Limits.Bytes == 0 {
		cfg.Limits.Bytes = 64 << 20
	}
	return &Pool{cfg: cfg, byHash: map[common.Hash]*entry{}, byID: map[common.Hash]*entry{}, byClaim: map[common.Hash][]*entry{}}
}

// Recover loads what was taken before the process ended. Call it when the chain has replayed its log, before Submit.
func (p *Pool) Recover() error {
	all, err := p.cfg.Store.Bundles()
	if err != nil {
		return fmt.Errorf("recover bundles: %w", err)
	}
	var ended []common.Hash
	for _, one := range all {
		_, ordered, err := p.cfg.Ordered(one.Hash)
		if err != nil {
			return fmt.Errorf("recover bundles: %w", err)
		}
		bundle, err := te.DecodeBundle(one.Raw)
		if err != nil {
			return fmt.Errorf("recover bundle %s: %w", one.Hash, err)
		}
		if ordered {
			ended = append(ended, one.Hash)
			continue
		}
		e := &entry{hash: one.Hash, id: bundle.Payload.Ciphertext.ID(), claims: claims(bundle)}
		p.insert(e, len(one.Raw))
		p.admit(e, one.Raw)
	}
	return p.cfg.Store.RemoveBundles(ended)
}

// Adopt takes in bundles that are stored and that the leading producer has verified; one that is in a block is forgotten.
func (p *Pool) Adopt(raws [][]byte) error {
	var ended []common.Hash
	for _, raw := range raws {
		bundle, err := te.DecodeBundle(raw)
		if err != nil {
			return fmt.Errorf("adopt bundle: %w", err)
		}
		e := &entry{hash: crypto.Keccak256Hash(raw), id: bundle.Payload.Ciphertext.ID()}
		if p.has(e) {
			continue
		}
		p.insert(e, len(raw))
		p.admit(e, raw)
		// Looked up after it is in: a block applied in between takes it out.
		if _, ordered, err := p.cfg.Ordered(e.hash); err != nil {
			return fmt.Errorf("adopt bundle: %w", err)
		} else if ordered {
			ended = append(ended, e.hash)
		}
	}
	return p.Applied(ended)
}

func (p *Pool) has(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byHash[e.hash] != nil || p.byID[e.id] != nil
}

// insert keeps the place of a bundle.
func (p *Pool) insert(e *entry, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byHash[e.hash], p.byID[e.id] = e, e
	p.bytes += size
}

// admit puts a durable bundle at the end.
func (p *Pool) admit(e *entry, raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.raw, e.state = raw, Received
	p.order = append(p.order, e)
	for _, claim := range e.claims {
		p.byClaim[claim] = append(p.byClaim[claim], e)
	}
}

// claims are the hashes of the transactions that a bundle is said to hold, each once.
func claims(b *te.Bundle) (list []common.Hash) {
	for _, tx := range b.Payload.Txs {
		if !slices.Contains(list, tx.Hash) {
			list = append(list, tx.Hash)
		}
	}
	return list
}

// Count is how many bundles wait.
func (p *Pool) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order)
}

// State tells how far a bundle has come; false when it is not in the pool.
func (p *Pool) State(hash common.Hash) (State, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byHash[hash]
	if !ok || e.raw == nil {
		return "", false
	}
	return e.state, true
}

// Claimed finds the first bundle in the pool that is said to hold a transaction, with its state. Whether it does is only
// known when it is opened: anybody can make a bundle that says so.
func (p *Pool) Claimed(transaction common.Hash) (bundle common.Hash, state State, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := p.byClaim[transaction]; len(all) > 0 {
		return all[0].hash, all[0].state, true
	}
	return common.Hash{}, "", false
}

// Next gives the bundles for a proposal, by arrival: as many as take at most share bytes of RLP, but the first one also
// when it takes more and fits in room, or a large bundle would wait for ever. None overtakes another.
func (p *Pool) Next(share, room uint64) (raws [][]byte, size uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range p.order {
		next := size + rlp.BytesSize(e.raw)
		if next > room || i > 0 && next > share {
			break
		}
		raws, size = append(raws, e.raw), next
		if e.state == Received {
			e.state = Queued
		}
	}
	return raws, size
}

// Decided notes that the places of bundles are decided.
func (p *Pool) Decided(hashes []common.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, hash := range hashes {
		if e, ok := p.byHash[hash]; ok && e.raw != nil {
			e.state = Ordered
		}
	}
}

// Applied removes bundles: the block that contains their outcomes was applied.
func (p *Pool) Applied(hashes []common.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	if err := p.cfg.Store.RemoveBundles(hashes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := map[*entry]bool{}
	for _, hash := range hashes {
		if e, ok := p.byHash[hash]; ok && e.raw != nil {
			gone[e] = true
			p.forget(e)
			p.bytes -= len(e.raw)
		}
	}
	var left []*entry
	for _, e := range p.order {
		if !gone[e] {
			left = append(left, e)
		}
	}
	p.order = left
	return nil
}

func (p *Pool) forget(e *entry) {
	delete(p.byHash, e.hash)
	if p.byID[e.id] == e {
		delete(p.byID, e.id)
	}
	for _, claim := range e.claims {
		left := slices.DeleteFunc(p.byClaim[claim], func(one *entry) bool { return one == e })
		if p.byClaim[claim] = left; len(left) == 0 {
			delete(p.byClaim, claim)
		}
	}
}
