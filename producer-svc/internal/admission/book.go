// Package admission decides what a submitter of sealed transactions may do at the leader: whether it may submit, how much of its
// may wait, and how early its turn comes. It is the leader's policy and no rule of validity: what it refuses, another leader may
// order.
//
// It guarantees: a submitter's standing follows from the blocks of the last minutes, so a replica that becomes the leader has the
// same as the one before, and what is remembered is bounded. What others can make fail for an honest submitter, such as fee and
// funds, takes nothing from it. Methods may be called from any goroutine.
//
// It asks of callers: to add every applied block, in order.
package admission

import (
	"math"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

const (
	// Memory and MemoryBlocks bound how long a block counts: in seconds of block time, and in blocks.
	Memory       = 600
	MemoryBlocks = 10_000
	// maxNotes bounds what is remembered: a note is one submitter in one block.
	maxNotes = 100_000
	// price is how many executed transactions one piece of garbage outweighs.
	price = 8
	// maxCredit bounds how many executed transactions count against garbage.
	maxCredit = 512
	// growth executed transactions double the quota that a new submitter has; it grows up to maxGrowth of them.
	growth, maxGrowth = 16, 240
	// MinFresh and maxFresh bound Fresh, which begins at firstFresh.
	MinFresh, firstFresh, maxFresh = 4, 16, 64
)

// Unbounded is the quota of a trusted submitter.
const Unbounded = math.MaxUint64

// Outcome is what became of a sealed transaction that was ordered.
type Outcome int

// The outcomes.
const (
	Ended    Outcome = iota // not executed, for a reason that others could cause
	Executed                // and its own sender had sealed it
	Carried                 // executed, and its sender, who paid, is not its submitter
	Garbage                 // unopenable, no transaction of this chain, or not what its header says
)

func (o Outcome) String() string { return [...]string{"ended", "executed", "carried", "garbage"}[o] }

// Fate is the outcome of one submitter's transaction.
type Fate struct {
	Submitter common.Address
	Outcome   Outcome
}

// Class is how early a submitter's turn comes.
type Class int

// The classes, from the first to the last.
const (
	Front Class = iota // more of its transactions were executed than not
	New                // nothing speaks for it or against it
	Back               // it has sent garbage
	Out                // it has sent so much that nothing of it is taken or ordered
)

func (c Class) String() string { return [...]string{"front", "new", "back", "out"}[c] }

// Config of a book. Zero fields take the defaults.
type Config struct {
	Gas     uint64 // quota of a new submitter, of the gas in its waiting headers; default 15,000,000
	Bytes   uint64 // the same of their bytes; default 256 KiB
	Garbage int    // pieces after which a submitter is out that has nothing executed; default 4
	// Trusted submitters are in front from the beginning, and have no quota while they send no garbage; nil for none.
	Trusted func(submitter common.Address) bool
}

// Standing is what a submitter may do now.
type Standing struct {
	Class                    Class
	Gas, Bytes               uint64 // its quota of what waits
	Executed, Ended, Garbage int    // lately
}

// Bounded reports whether there is a quota.
func (s Standing) Bounded() bool { return s.Gas != Unbounded }

// tally counts outcomes.
type tally struct{ executed, ended, garbage int }

func (t *tally) add(o tally, sign int) {
	t.executed += sign * o.executed
	t.ended += sign * o.ended
	t.garbage += sign * o.garbage
}

// note is what one submitter's transactions became in a block.
type note struct {
	number    uint64
	at        int64
	submitter common.Address
	tally
}

// Book has the standing of submitters.
type Book struct {
	cfg Config

	mu    sync.Mutex
	last  uint64
	fresh int
	notes []note // the oldest first
	sums  map[common.Address]tally
}

// NewBook returns a book without notes.
func NewBook(cfg Config) *Book {
	if cfg.Gas == 0 {
		cfg.Gas = 15_000_000
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 256 << 10
	}
	if cfg.Garbage == 0 {
		cfg.Garbage = 4
	}
	if cfg.Trusted == nil {
		cfg.Trusted = func(common.Address) bool { return false }
	}
	return &Book{cfg: cfg, fresh: firstFresh, sums: map[common.Address]tally{}}
}

// Add notes what became of the sealed transactions of a block, by its number and time in seconds. It returns false, and
// changes nothing, when it has them already.
func (b *Book) Add(number uint64, at int64, fates []Fate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number <= b.last {
		return false
	}
	b.last = number
	b.learn(fates)
	here := map[common.Address]int{}
	for _, one := range fates {
		i, ok := here[one.Submitter]
		if !ok {
			i, here[one.Submitter] = len(b.notes), len(b.notes)
			b.notes = append(b.notes, note{number: number, at: at, submitter: one.Submitter})
		}
		b.count(&b.notes[i].tally, one)
	}
	for _, i := range here {
		b.sum(b.notes[i], 1)
	}
	b.forget(at)
	return true
}

// learn adapts how much of submitters that are not in front is tried at once: half as much after each piece of garbage, and one
// more for each of them that had its first transaction executed.
func (b *Book) learn(fates []Fate) {
	known := map[common.Address]bool{}
	for _, one := range fates {
		switch {
		case one.Outcome == Garbage:
			b.fresh = max(MinFresh, b.fresh/2)
		case one.Outcome == Executed && b.sums[one.Submitter].executed == 0 && !known[one.Submitter]:
			known[one.Submitter] = true
			b.fresh = min(maxFresh, b.fresh+1)
		}
	}
}

// Fresh is how many transactions of submitters that are not in front one content may hold. They may be garbage, which takes
// milliseconds to open; MinFresh says that lately they were.
func (b *Book) Fresh() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fresh
}

func (b *Book) count(t *tally, one Fate) {
	switch one.Outcome {
	case Garbage:
		t.garbage++
	case Ended:
		t.ended++
	case Executed:
		t.executed++
	case Carried: // whoever seals what others have shown in public has not paid for it
		if b.cfg.Trusted(one.Submitter) {
			t.executed++
		}
	}
}

func (b *Book) sum(n note, sign int) {
	s := b.sums[n.submitter]
	s.add(n.tally, sign)
	if s == (tally{}) {
		delete(b.sums, n.submitter)
	} else {
		b.sums[n.submitter] = s
	}
}

// forget drops the notes that count no longer.
func (b *Book) forget(now int64) {
	old := max(0, len(b.notes)-maxNotes)
	for old < len(b.notes) && (b.notes[old].at+Memory < now || b.notes[old].number+MemoryBlocks < b.last) {
		old++
	}
	for _, n := range b.notes[:old] {
		b.sum(n, -1)
	}
	b.notes = b.notes[old:]
}

// Standing is that of a submitter.
func (b *Book) Standing(submitter common.Address) Standing {
	trusted := b.cfg.Trusted(submitter)
	b.mu.Lock()
	t := b.sums[submitter]
	b.mu.Unlock()
	s := Standing{Executed: t.executed, Ended: t.ended, Garbage: t.garbage}
	debt := price*t.garbage - min(t.executed, maxCredit)
	switch {
	case debt > price*(b.cfg.Garbage-1):
		s.Class = Out
	case debt > 0:
		s.Class, s.Gas, s.Bytes = Back, b.cfg.Gas/4, b.cfg.Bytes/4
	case trusted:
		s.Class, s.Gas, s.Bytes = Front, Unbounded, Unbounded
	default:
		if s.Class = New; t.executed > t.ended {
			s.Class = Front
		}
		grown := uint64(growth + min(t.executed, maxGrowth))
		s.Gas, s.Bytes = b.cfg.Gas/growth*grown, b.cfg.Bytes/growth*grown
	}
	return s
}

// Len is how many submitters are remembered.
func (b *Book) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sums)
}
