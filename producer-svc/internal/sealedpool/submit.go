package sealedpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/seal"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

// candidate is a transaction on its way into the pool.
type candidate struct {
	*entry
	input []byte
	err   error
}

// Submit takes transactions in one go: the proofs of all are checked together, with those of other callers at the same time, and
// one fsync makes all durable. For each there is its id or an error that says what is wrong with it.
func (p *Pool) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	head := p.cfg.Head()
	if err := p.expire(head); err != nil {
		return make([]common.Hash, len(raws)), repeated(err, len(raws))
	}
	began := time.Now()
	all := make([]*candidate, len(raws))
	for i, raw := range raws {
		all[i] = p.examine(ctx, raw, head+1)
	}
	p.prove(all)
	if p.cfg.Checked != nil {
		p.cfg.Checked(time.Since(began))
	}
	taken := p.enter(all, head+1)
	var durable []txstore.Tx
	for _, c := range taken {
		durable = append(durable, txstore.Tx{Hash: c.id, Raw: c.input})
	}
	if err := p.cfg.Store.AddSealed(durable); err != nil {
		for _, c := range taken {
			c.err = err
		}
	}
	p.settle(taken)
	p.count(all)
	return answers(all)
}

func repeated(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func answers(all []*candidate) ([]common.Hash, []error) {
	ids, errs := make([]common.Hash, len(all)), make([]error, len(all))
	for i, c := range all {
		if errs[i] = c.err; c.err == nil {
			ids[i] = c.id
		}
	}
	return ids, errs
}

// count counts what admission refused.
func (p *Pool) count(all []*candidate) {
	if p.cfg.Refused == nil {
		return
	}
	for _, c := range all {
		if errors.Is(c.err, admission.ErrSubmitter) || errors.Is(c.err, ErrQuota) || errors.Is(c.err, ErrSpoilt) || errors.Is(c.err, ErrFull) {
			p.cfg.Refused(c.err)
		}
	}
}

// examine checks what costs little and needs no look at others. A repeat ends here, before its proof is checked.
func (p *Pool) examine(ctx context.Context, raw []byte, number uint64) *candidate {
	c := &candidate{input: raw}
	if c.err = ctx.Err(); c.err != nil {
		return c
	}
	s, err := seal.Parse(raw)
	if err != nil {
		c.err = err
		return c
	}
	c.entry = entryOf(s)
	if p.cfg.Admit != nil {
		if c.err = p.cfg.Admit(s.Submitter); c.err != nil {
			return c
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.err = p.mayEnter(c.entry, number); c.err == nil {
		c.err = p.mayWait(c.entry, len(raw))
	}
	return c
}

// prove checks the proofs and signatures of those that may still come in.
func (p *Pool) prove(all []*candidate) {
	var rest []*candidate
	var raws [][]byte
	for _, c := range all {
		if c.err == nil {
			rest, raws = append(rest, c), append(raws, c.input)
		}
	}
	if len(rest) == 0 {
		return
	}
	errs := p.cfg.Checker.CheckShared(raws)
	for i, c := range rest {
		c.err = errs[i]
	}
}

// enter keeps places for those that come in, so that of two at the same time one does. Only what was proven keeps a place: or
// anybody could keep a submitter's next transaction out for a moment.
func (p *Pool) enter(all []*candidate, number uint64) (taken []*candidate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range all {
		if c.err != nil {
			continue
		}
		if c.err = p.mayEnter(c.entry, number); c.err == nil {
			c.err = p.mayWait(c.entry, len(c.input))
		}
		if c.err != nil {
			continue
		}
		p.reserve(c.entry, len(c.input))
		taken = append(taken, c)
	}
	return taken
}

// mayEnter refuses what was seen before, and what no content from number on could hold. A fee below the base fee of now is no
// reason: the base fee may fall before the transaction expires. The caller holds mu.
func (p *Pool) mayEnter(e *entry, number uint64) error {
	if known, ok := p.byID[e.id]; ok {
		if known.raw == nil {
			return ErrBusy
		}
		return ErrKnown
	}
	if at, ordered, err := p.cfg.Ordered(e.id); err != nil {
		return err
	} else if ordered {
		return fmt.Errorf("%w: in block %d", ErrOrdered, at)
	}
	if err := rules.Admissible(e.header, number, 0, p.cfg.Chain); err != nil {
		return err
	}
	next := p.cfg.Window.Next(e.header.Submitter, number)
	switch {
	case e.header.Seq < next && p.cfg.Window.Last() >= number: // it may be what used the seq; the chain says so in a moment
		return ErrBusy
	case e.header.Seq < next:
		return fmt.Errorf("%w: %d is used, the next one of %s is %d", ErrSeq, e.header.Seq, e.header.Submitter, next)
	case e.header.Seq-next >= Ahead:
		return fmt.Errorf("%w: %d, the next one of %s is %d and at most %d may follow it", ErrSeq, e.header.Seq, e.header.Submitter, next, Ahead-1)
	}
	if other, ok := p.byPlace[e.place()]; ok {
		return fmt.Errorf("%w: %s", ErrSeqTaken, other.id)
	}
	return nil
}

// settle lets those in that are durable, and gives up the places of the others.
func (p *Pool) settle(taken []*candidate) {
	arrived := false
	p.mu.Lock()
	for _, c := range taken {
		if c.err != nil {
			p.release(c.entry, len(c.input))
			continue
		}
		p.admit(c.entry, c.input)
		arrived = true
	}
	p.mu.Unlock()
	if arrived && p.cfg.Arrived != nil {
		p.cfg.Arrived()
	}
}
