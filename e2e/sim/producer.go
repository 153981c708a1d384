package sim

import (
	"context"
	"encoding/binary"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/rediskeys"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

const (
	eventTimeout = 900 * time.Millisecond // of one wait for a request's event
	between      = 3 * time.Second        // blocks, when there is nothing to do

	maxClockDrift = 10 * time.Second // how far ahead of a producer's clock a timestamp may be
)

// producerNode is one replica of the producer: pool, blueprint log and chain, and the sections that make blocks while it
// leads.
type producerNode struct {
	*process
	log    disk[*blueprintv1.LogRecord] // survives
	txs    disk[transaction]            // survives
	popped map[content.Hash]bool        // survives; only a defect takes out what is not in a block

	chain    *chain
	removed  map[content.Hash]bool
	requests map[string]uint64 // blocks by the request they answer
	contents *contents.Assembler
	notified uint64 // highest number the proposer was notified of in this life
	moved    time.Duration
	halted   bool

	lock     *locker
	campaign *campaign
	leading  bool
	sections []*sectionRun
	idle     func() // called when the last section of an ended term has ended
	callers  *callers
	loop     *loop
	at       uint64 // published up to, in this life
	shown    uint64 // to the observer of its feed
}

func (p *producerNode) recover() {
	p.log.crash()
	p.txs.crash()
	p.chain, p.requests, p.removed = newChain(), map[string]uint64{}, map[content.Hash]bool{}
	p.leading, p.sections, p.idle, p.halted, p.notified, p.at = false, nil, nil, false, 0, 0
	p.chain.again, p.chain.overtake, p.chain.equal = p.w.bug(ExecutesTwice), p.w.bug(OvertakesWhatWaits), p.w.bug(LetsSealedWait)
	p.chain.patient, p.chain.barsAll = p.w.bug(WaitsForANonce), p.w.bug(BarsEverything)
	for hash := range p.popped {
		p.removed[hash] = true
	}
	for _, rec := range p.log.recs {
		if p.w.bug(SkipsReplayOfTheLast) && rec.GetNumber() == p.log.last() {
			break
		}
		p.apply(rec)
	}
	p.spoilRoom()
	p.contents = &contents.Assembler{Chain: onTop{p}, Delayed: onTop{p}, Locked: func() bool { return p.w.poolLocked() },
		Latest: func() int64 { return p.w.wallClock(p.process).Add(maxClockDrift).Unix() }}
	p.w.recovered(p)
	p.publish(p.chain.head().Number)
	p.moved = p.w.now
	p.lock = newLocker(p.process, rediskeys.ConsumptionLock, LockTaken)
	p.callers, p.loop = &callers{p: p, calls: map[string]*wish{}}, &loop{p: p}
	p.campaign = newCampaign(p.process, rediskeys.ProducerLease, p.lead, p.unlead)
	p.serves()
}

// apply executes a record and removes its transactions from the pool.
func (p *producerNode) apply(rec *blueprintv1.LogRecord) section.Block {
	block := p.chain.apply(rec)
	p.w.applied(p, block)
	if id := rec.GetRequestId(); id != "" {
		if _, ok := p.requests[id]; !ok {
			p.requests[id] = rec.GetNumber()
		}
	}
	p.removeExecuted(rec.GetNumber(), p.chain.executed[rec.GetNumber()])
	return block
}

// lead begins a term: first everything that the DSN has fixed is applied, then blocks are made.
func (p *producerNode) lead(uint64) { p.catchUp() }

func (p *producerNode) catchUp() {
	p.run(section.Request{Sync: true, Priority: true}, func(r section.Result) {
		switch {
		case !p.campaign.leads() || p.leaving:
		case r.Kind == section.Synced:
			p.leading = true
			p.loop.begin()
			p.callers.pump()
		case r.Kind != section.Halted:
			p.later(100*time.Millisecond, func() {
				if p.campaign.leads() && !p.leaving {
					p.catchUp()
				}
			})
		}
	})
}

// unlead ends a term: sections under way stop before the next block is decided.
func (p *producerNode) unlead(ended func()) {
	p.leading = false
	p.callers.close()
	p.loop.end()
	p.idle = ended
	for _, x := range append([]*sectionRun(nil), p.sections...) {
		x.cancel()
	}
	p.sectionEnded()
}

// sectionEnded calls idle after the last section of an ended term.
func (p *producerNode) sectionEnded() {
	if idle := p.idle; idle != nil && len(p.sections) == 0 {
		p.idle = nil
		idle()
	}
}

// leave is SIGTERM.
func (p *producerNode) leave() { p.campaign.quit(p.exit) }

// run runs one section, unless production is halted.
func (p *producerNode) run(r section.Request, done func(section.Result)) {
	if p.halted {
		done(section.Result{Kind: section.Halted})
		return
	}
	s, effects := section.Begin(r, maxClockDrift)
	x := &sectionRun{p: p, s: s, request: r}
	x.done = func(result section.Result) {
		p.sections = without(p.sections, x)
		if result.Kind == section.Halted {
			p.halted = true
			p.w.alarm(p.process, result.Err)
		}
		done(result)
		p.sectionEnded()
	}
	p.sections = append(p.sections, x)
	x.perform(effects[0])
}

// content is GetProposalContent.
func (p *producerNode) content(at int64, id string) (*blueprintv1.GetProposalContentResponse, error) {
	if !p.leading {
		return nil, errNotLeading
	}
	if number, ok := p.requests[id]; ok && id != "" && !p.w.bug(ForgetsServedRequests) {
		return &blueprintv1.GetProposalContentResponse{ServedNumber: number}, nil
	}
	c, err := p.contents.Next(context.Background(), at, true)
	return p.w.spoilContent(p, c), err
}

// last is the fencing token of the log's last record.
func (p *producerNode) tip() logrecord.Tip {
	t := logrecord.Tip{Last: p.log.last()}
	if rec, ok := p.log.get(t.Last); ok {
		t.Token, t.Holder = rec.GetToken(), rec.GetHolder()
	}
	return t
}

// known is the block that a request gave earlier.
func (p *producerNode) known(id string) *section.Block {
	number, ok := p.requests[id]
	if !ok || id == "" {
		return nil
	}
	rec, _ := p.log.get(number)
	block := section.BlockOf(rec, p.chain.heads[number].Hash)
	return &block
}

// nudge has the loop look: a transaction came.
func (p *producerNode) nudge() {
	if p.leading {
		p.loop.look()
	}
}

// digest is a hash of all that a refused call must not change.
func (p *producerNode) digest() content.Hash {
	b := binary.BigEndian.AppendUint64(nil, p.log.last())
	b = binary.BigEndian.AppendUint64(b, uint64(len(p.txs.recs)))
	return content.Keccak(append(b, p.chain.roots[len(p.chain.roots)-1][:]...))
}
