package sealedpool

import (
	"container/heap"
	"slices"

	"blindseq/producer-svc/internal/admission"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/rlp"
)

const (
	// kibGas is what a KiB, also a begun one, counts in gas when turns are divided.
	kibGas = 16_000
	// trustedWeight, frontWeight, newWeight and backWeight are how much a transaction of such a submitter counts. A bundler that is
	// a relay has as many turns as 16 wallets that seal for themselves.
	trustedWeight, frontWeight, newWeight, backWeight = 1, 16, 128, 1024
	// freshBytes is how many bytes one content holds of submitters that are not in front, for each transaction that it may hold of
	// them. The first transaction of a content may be larger.
	freshBytes = 8 << 10
	// maxEachNew bounds what it holds of one of them.
	maxEachNew = 4
	// oldestEvery is how often a content begins with the transaction that has waited longest, and while there is garbage, holds
	// what is not in front beside what is, so that nothing waits for ever.
	oldestEvery = 4
)

// Next gives the transactions for a content whose number and base fee are set, as the rules of contents want them: each
// submitter's by seq without a gap, as much gas as a content may hold. They take at most share bytes of RLP, but the first one
// also when it takes more and fits in room, or a large one would wait for ever.
//
// Submitters share a content: the next transaction is the one with which its submitter has the least of it, in gas and bytes, and
// among equals the one that came first. One whose fee is below the base fee waits, and its submitter's later ones with it. A
// number that is fixed, or that the committee does not attest, has none.
func (p *Pool) Next(to *preblockv1.Content, share, room uint64) (raws [][]byte, size, gas uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to.GetNumber() <= p.cfg.Window.Last() {
		return nil, 0, 0
	}
	c := choice{pool: p, to: to, plan: p.cfg.Window.Plan(to.GetNumber()), share: share, room: room}
	c.begin()
	for len(c.turns) > 0 {
		c.take(c.turns[0])
	}
	return c.raws, c.size, c.gas
}

// turn is the next transaction of a submitter.
type turn struct {
	*entry
	class  admission.Class
	taken  int
	used   uint64 // what its submitter has of the content with it
	weight uint64
	first  bool // it goes before all others
}

func newTurn(s admission.Standing) *turn {
	t := &turn{class: s.Class, weight: frontWeight}
	switch {
	case s.Class == admission.Back:
		t.weight = backWeight
	case s.Class == admission.New:
		t.weight = newWeight
	case !s.Bounded():
		t.weight = trustedWeight
	}
	return t
}

// turns is a heap.
type turns []*turn

func (t turns) Len() int      { return len(t) }
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *turns) Push(x any)   { *t = append(*t, x.(*turn)) }
func (t turns) Less(i, j int) bool {
	if t[i].first != t[j].first {
		return t[i].first
	}
	if a, b := t[i].used*t[i].weight, t[j].used*t[j].weight; a != b {
		return a < b
	}
	return t[i].turn < t[j].turn
}

func (t *turns) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// choice is a content that is being filled.
type choice struct {
	pool        *Pool
	to          *preblockv1.Content
	plan        *rules.Plan
	share, room uint64
	turns       turns

	raws      [][]byte
	size, gas uint64
	mayFresh  int // transactions of submitters that are not in front
	fresh     int // those it has, and their bytes
	freshSize uint64
}

// begin gives every submitter that is not out a turn.
func (c *choice) begin() {
	var oldest *turn
	for submitter := range c.pool.waiting {
		t := newTurn(c.pool.standing(submitter))
		if t.class == admission.Out {
			continue
		}
		if t.entry = c.pool.byPlace[place{submitter, c.plan.Next(submitter)}]; !c.due(t) {
			continue
		}
		c.turns = append(c.turns, t)
		if t.class != admission.Back && (oldest == nil || t.turn < oldest.turn) {
			oldest = t
		}
	}
	if book := c.pool.cfg.Book; book != nil {
		c.mayFresh = book.Fresh()
	}
	switch {
	case c.to.GetNumber()%oldestEvery != 0 && c.mayFresh == admission.MinFresh:
		c.frontOnly()
	case c.to.GetNumber()%oldestEvery == 0 && oldest != nil:
		oldest.first = true
	}
	heap.Init(&c.turns)
}

// frontOnly takes away the turns of those that are not in front, if others are.
func (c *choice) frontOnly() {
	behind := func(t *turn) bool { return t.class != admission.Front }
	if rest := slices.DeleteFunc(slices.Clone(c.turns), behind); len(rest) > 0 {
		c.turns = rest
	}
}

// due reports whether a turn's transaction may be in the content, and adds it to what its submitter has of it.
func (c *choice) due(t *turn) bool {
	e := t.entry
	if e == nil || e.raw == nil || rules.Admissible(e.header, c.to.GetNumber(), c.to.GetBaseFee(), c.pool.cfg.Chain) != nil {
		return false
	}
	t.used += e.header.Gas + kibGas*(1+uint64(len(e.raw))>>10)
	return true
}

// take takes the first turn's transaction if it fits, and gives its submitter the next turn. One that does not fit waits, and
// those behind it.
func (c *choice) take(t *turn) {
	if !c.fits(t) {
		heap.Pop(&c.turns)
		return
	}
	submitter := t.header.Submitter
	c.plan.Take(submitter)
	c.raws = append(c.raws, t.raw)
	c.size += rlp.BytesSize(t.raw)
	c.gas += t.header.Gas
	if t.class != admission.Front {
		c.fresh, c.freshSize = c.fresh+1, c.freshSize+uint64(len(t.raw))
	}
	t.taken, t.first = t.taken+1, false
	if t.entry = c.pool.byPlace[place{submitter, c.plan.Next(submitter)}]; !c.due(t) {
		heap.Pop(&c.turns)
		return
	}
	heap.Fix(&c.turns, 0)
}

func (c *choice) fits(t *turn) bool {
	size := c.size + rlp.BytesSize(t.raw)
	switch {
	case c.gas+t.header.Gas > c.pool.cfg.Chain.SealedGas, size > c.room:
		return false
	case len(c.raws) == 0:
		return true
	case size > c.share:
		return false
	case t.class == admission.Front:
		return true
	}
	return c.fresh < c.mayFresh && c.freshSize+uint64(len(t.raw)) <= freshBytes*uint64(c.mayFresh) && t.taken < maxEachNew && (t.class == admission.New || t.taken == 0)
}
