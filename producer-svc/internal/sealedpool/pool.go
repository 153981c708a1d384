// Package sealedpool is the pool of sealed transactions, which nobody can read before they are ordered, and which therefore no
// other pool can judge.
//
// It guarantees: a transaction that was taken is durable, and stays until the block that says what became of it was applied, or
// until it has ended with a recorded reason; it passed every check that needs no share; the pool holds one for each submitter
// and seq; what it offers keeps the rules of contents; and what it holds is bounded. Its methods may be called from any goroutine.
//
// It asks of callers: to add a record to the window before its block is applied.
package sealedpool

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
)

// Ahead bounds how far the seq of a transaction in the pool may be from the next one of its submitter.
const Ahead = 1024

// Reasons not to take a sealed transaction, besides those of packages seal and rules.
var (
	// ErrKnown: the transaction is in the pool, perhaps with another signature; it reads as that of a plain one.
	ErrKnown = txpool.ErrAlreadyKnown
	// ErrSeqTaken: another transaction of the same submitter and seq is in the pool.
	ErrSeqTaken = errors.New("another sealed transaction of this submitter and seq is in the pool")
	// ErrSeq: the seq was used, or is too far ahead.
	ErrSeq = errors.New("seq out of range")
	// ErrOrdered: the transaction is in a block.
	ErrOrdered = errors.New("sealed transaction is ordered already")
	// ErrBusy: the same transaction is just being taken, or may be in the block that is being applied.
	ErrBusy = errors.New("the same sealed transaction, or its block, is just being processed; ask again")
	// ErrFull: a limit of the pool is reached.
	ErrFull = errors.New("pool of sealed transactions is full")
	// ErrQuota: as much of the submitter waits as may.
	ErrQuota = errors.New("the submitter's quota is used up")
	// ErrSpoilt: the submitter has sent too much garbage lately.
	ErrSpoilt = errors.New("the submitter has sent garbage")
)

// Limits of a pool. Zero fields take the defaults.
type Limits struct {
	Transactions int // default 10,000
	Bytes        int // default 64 MiB
}

// Store keeps sealed transactions over a restart, and how they ended.
type Store interface {
	AddSealed([]txstore.Tx) error
	RemoveSealed(ids []common.Hash) error
	Sealed() ([]txstore.Tx, error)
	End([]txstore.Ending) error
}

// Window knows the seqs; package seqs has it.
type Window interface {
	Last() uint64
	Next(submitter common.Address, number uint64) uint64
	Plan(number uint64) *rules.Plan
}

// Config of a pool.
type Config struct {
	Store   Store
	Checker *rules.Checker
	Chain   committee.Limits
	Window  Window
	// Head is the number of the last applied block.
	Head func() uint64
	// BaseFee is that of the next block, in wei; nil when nobody asks why a transaction waits.
	BaseFee func() uint64
	// Ordered finds the block that has a transaction's id.
	Ordered func(id common.Hash) (number uint64, ok bool, err error)
	// Admit refuses a submitter that may not send; nil lets everyone.
	Admit func(submitter common.Address) error
	// Book has the standing of submitters; nil treats all alike and has no quotas.
	Book   *admission.Book
	Limits Limits
	// Arrived is called after transactions were taken.
	Arrived func()
	// Checked is called with the time of checking one submission.
	Checked func(took time.Duration)
	// Refused is called for each transaction that admission refused.
	Refused func(err error)
	// Judged is called for each sealed transaction of an applied block.
	Judged func(admission.Outcome)
}

// place is what at most one transaction of the pool has.
type place struct {
	submitter common.Address
	seq       uint64
}

type entry struct {
	id     common.Hash
	header seal.Header
	raw    []byte // nil while it is being taken
	turn   uint64 // counts arrivals
	State
}

func entryOf(s *seal.Sealed) *entry {
	return &entry{id: common.Hash(s.ID()), header: s.Header}
}

func (e *entry) place() place { return place{e.header.Submitter, e.header.Seq} }

// Pool is the pool.
type Pool struct {
	cfg Config

	mu      sync.Mutex
	order   []*entry // those taken, by arrival
	arrived uint64
	waiting map[common.Address]*waiting
	byID    map[common.Hash]*entry
	byPlace map[place]*entry
	bytes   int
	soonest uint64 // no transaction in the pool expires before
}

// New returns an empty pool; Recover fills it.
func New(cfg Config) *Pool {
	if cfg.Limits.Transactions == 0 {
		cfg.Limits.Transactions = 10_000
	}
	if cfg.Limits.Bytes == 0 {
		cfg.Limits.Bytes = 64 << 20
	}
	return &Pool{cfg: cfg, byID: map[common.Hash]*entry{}, byPlace: map[place]*entry{}, waiting: map[common.Address]*waiting{}, soonest: math.MaxUint64}
}

// reserve keeps the place of a transaction. The caller holds mu.
func (p *Pool) reserve(e *entry, size int) {
	p.byID[e.id], p.byPlace[e.place()] = e, e
	p.bytes += size
	w := p.waiting[e.header.Submitter]
	if w == nil {
		w = new(waiting)
		p.waiting[e.header.Submitter] = w
	}
	w.add(e, size)
}

// admit puts a durable transaction at the end. The caller holds mu.
func (p *Pool) admit(e *entry, raw []byte) {
	p.arrived++
	e.raw, e.turn, e.State = raw, p.arrived, State{Name: Sealed}
	p.order = append(p.order, e)
	p.soonest = min(p.soonest, e.header.Expiry)
}

// release gives the place of a transaction up. The caller holds mu.
func (p *Pool) release(e *entry, size int) {
	delete(p.byID, e.id)
	if p.byPlace[e.place()] == e {
		delete(p.byPlace, e.place())
	}
	p.bytes -= size
	if w := p.waiting[e.header.Submitter]; w.remove(e, size) {
		delete(p.waiting, e.header.Submitter)
	}
}

// forget takes transactions out.
func (p *Pool) forget(ids []common.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := map[*entry]bool{}
	for _, id := range ids {
		if e, ok := p.byID[id]; ok && e.raw != nil {
			gone[e] = true
			p.release(e, len(e.raw))
		}
	}
	if len(gone) == 0 {
		return
	}
	p.order = slices.DeleteFunc(p.order, func(e *entry) bool { return gone[e] })
	p.soonest = math.MaxUint64
	for _, e := range p.order {
		p.soonest = min(p.soonest, e.header.Expiry)
	}
}

// Count is how many transactions wait.
func (p *Pool) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order)
}

// NextSeq is the seq for the next transaction of a submitter: the first one that neither a block nor the pool has.
func (p *Pool) NextSeq(submitter common.Address) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.cfg.Window.Next(submitter, p.cfg.Head()+1)
	for p.byPlace[place{submitter, next}] != nil {
		next++
	}
	return next
}
