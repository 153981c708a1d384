package sealedpool

import (
	"fmt"
	"slices"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
)

// How a transaction ends that is in no block.
const (
	reasonExpired  = "it expired before it was ordered"
	reasonReplaced = "another sealed transaction of its submitter has its seq"
	reasonSpoilt   = "its submitter has sent too much garbage lately (te_getSubmitter)"
)

// Applied forgets what an applied block says the end of: the sealed transactions that it ordered, whose fates these are. Those
// that can be ordered no longer have ended: their seq is used, they have expired, or their submitter is out.
func (p *Pool) Applied(rec *blueprintv1.LogRecord, fates []admission.Fate) error {
	var ordered []common.Hash
	var replaced []*entry
	for _, one := range rec.GetSealed() {
		id := common.Hash(one.GetId())
		ordered = append(ordered, id)
		if e := p.at(place{common.BytesToAddress(one.GetSubmitter()), one.GetSeq()}); e != nil && e.id != id {
			replaced = append(replaced, e)
		}
	}
	if err := p.remove(ordered); err != nil {
		return err
	}
	if err := p.end(replaced, reasonReplaced); err != nil {
		return err
	}
	if err := p.end(p.spoilt(rec, fates), reasonSpoilt); err != nil {
		return err
	}
	return p.expire(rec.GetNumber())
}

// spoilt notes fates, and returns what waits of submitters that are out now.
func (p *Pool) spoilt(rec *blueprintv1.LogRecord, fates []admission.Fate) (ended []*entry) {
	if p.cfg.Book == nil || !p.cfg.Book.Add(rec.GetNumber(), rec.GetTimestamp().GetSeconds(), fates) {
		return nil
	}
	out := map[common.Address]bool{}
	for _, one := range fates {
		if p.cfg.Judged != nil {
			p.cfg.Judged(one.Outcome)
		}
		if one.Outcome == admission.Garbage && p.cfg.Book.Standing(one.Submitter).Class == admission.Out {
			out[one.Submitter] = true
		}
	}
	if len(out) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.order {
		if out[e.header.Submitter] && e.State.Name == Sealed {
			ended = append(ended, e)
		}
	}
	return ended
}

// at finds the durable transaction at a place.
func (p *Pool) at(where place) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.byPlace[where]; e != nil && e.raw != nil {
		return e
	}
	return nil
}

// expire ends what cannot be ordered after a number.
func (p *Pool) expire(head uint64) error {
	p.mu.Lock()
	var expired []*entry
	if p.soonest <= head {
		for _, e := range p.order {
			if e.header.Expiry <= head && e.State.Name == Sealed {
				expired = append(expired, e)
			}
		}
	}
	p.mu.Unlock()
	return p.end(expired, reasonExpired)
}

// remove forgets transactions that are in a block.
func (p *Pool) remove(ids []common.Hash) error {
	if len(ids) == 0 {
		return nil
	}
	if err := p.cfg.Store.RemoveSealed(ids); err != nil {
		return err
	}
	p.forget(ids)
	return nil
}

// end forgets transactions that will be in no block, and records why.
func (p *Pool) end(entries []*entry, reason string) error {
	endings := make([]txstore.Ending, len(entries))
	for i, e := range entries {
		endings[i] = txstore.Ending{Hash: e.id, Kind: txstore.Dropped, Reason: reason}
	}
	return p.End(endings)
}

// End records how transactions ended, sealed or plain, and forgets them.
func (p *Pool) End(endings []txstore.Ending) error {
	if len(endings) == 0 {
		return nil
	}
	if err := p.cfg.Store.End(endings); err != nil {
		return err
	}
	ids := make([]common.Hash, len(endings))
	for i, one := range endings {
		ids[i] = one.Hash
	}
	p.forget(ids)
	return nil
}

// Recover loads what was taken before the process ended. Call it when the chain has replayed its log, before Submit. What can be
// ordered no longer has ended, and so has what fails the check: the committee is another one.
func (p *Pool) Recover() error {
	all, err := p.cfg.Store.Sealed()
	if err != nil {
		return fmt.Errorf("recover sealed transactions: %w", err)
	}
	raws := make([][]byte, len(all))
	for i, one := range all {
		raws[i] = one.Raw
	}
	checked, errs := p.cfg.Checker.CheckAll(raws)
	for i, one := range all {
		if errs[i] != nil {
			err = p.End([]txstore.Ending{{Hash: one.Hash, Kind: txstore.Dropped, Reason: errs[i].Error()}})
		} else {
			err = p.take(checked[i].Sealed(), one.Raw)
		}
		if err != nil {
			return fmt.Errorf("recover sealed transaction %s: %w", one.Hash, err)
		}
	}
	return nil
}

// Verify checks what was adopted, and ends what fails. Call it before this replica leads: a content with one such transaction
// would be refused, again and again.
func (p *Pool) Verify() error {
	p.mu.Lock()
	all := slices.Clone(p.order)
	p.mu.Unlock()
	raws := make([][]byte, len(all))
	for i, e := range all {
		raws[i] = e.raw
	}
	_, errs := p.cfg.Checker.CheckAll(raws)
	var failed []txstore.Ending
	for i, err := range errs {
		if err != nil {
			failed = append(failed, txstore.Ending{Hash: all[i].id, Kind: txstore.Dropped, Reason: err.Error()})
		}
	}
	return p.End(failed)
}

// Adopt takes in transactions that are stored and that the leading producer is said to have checked.
func (p *Pool) Adopt(raws [][]byte) error {
	for _, raw := range raws {
		s, err := seal.Parse(raw)
		if err == nil {
			err = p.take(s, raw)
		}
		if err != nil {
			return fmt.Errorf("adopt sealed transaction: %w", err)
		}
	}
	return nil
}

// take takes in one that is stored, unless it is in a block or can be ordered no longer. Of two with one place, each
// acknowledged by another leader, the later one counts: it is the one that the leader now has.
func (p *Pool) take(s *seal.Sealed, raw []byte) error {
	e := entryOf(s)
	p.mu.Lock()
	known, before := p.byID[e.id] != nil, p.byPlace[e.place()]
	if !known {
		p.reserve(e, len(raw))
		p.admit(e, raw)
	}
	p.mu.Unlock()
	if known {
		return nil
	}
	if before != nil && before.raw != nil {
		if err := p.end([]*entry{before}, reasonReplaced); err != nil {
			return err
		}
	}
	// Looked up after it is in: a block applied in between takes it out.
	if _, ordered, err := p.cfg.Ordered(e.id); err != nil {
		return err
	} else if ordered {
		return p.remove([]common.Hash{e.id})
	}
	return p.endUnorderable(e)
}

// endUnorderable ends a transaction whose seq is used, whose expiry is past, or whose submitter is out. While the window is ahead of the head, the
// transaction itself may be what used the seq.
func (p *Pool) endUnorderable(e *entry) error {
	head := p.cfg.Head()
	switch {
	case p.cfg.Window.Last() > head:
		return nil
	case e.header.Seq < p.cfg.Window.Next(e.header.Submitter, head+1):
		return p.end([]*entry{e}, reasonReplaced)
	case e.header.Expiry <= head:
		return p.end([]*entry{e}, reasonExpired)
	case p.standing(e.header.Submitter).Class == admission.Out:
		return p.end([]*entry{e}, reasonSpoilt)
	}
	return nil
}
