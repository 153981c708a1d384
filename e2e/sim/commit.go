package sim

import (
	"errors"

	"blindseq/kit/content"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// append writes the blueprint log: the moment a block is decided.
func (x *sectionRun) append(e section.Append) {
	p := x.p
	x.waits = false // from here on it is not interrupted
	rec, err := logrecord.Of(takeOutcomes(e.Preblock), logrecord.Parent{Hash: e.Head.Hash, Time: e.Head.Time}, noDelayed{})
	if err != nil {
		x.feed(section.Alarm{Err: err})
		return
	}
	rec.Token, rec.Holder = e.Token, e.Holder
	p.w.spoilRecord(p, rec)
	if p.w.bug(PublishesBeforeApply) && rec.GetNumber() == p.log.last()+1 {
		p.w.published(p, rec.GetNumber(), nil)
	}
	var refused error
	p.step(BlueprintAppended, func() {
		if refused = p.admit(rec, e.Head.Hash); refused != nil {
			return
		}
		p.log.append(rec)
		if !p.w.bug(BlueprintNotSynced) {
			p.log.sync()
		}
		p.w.appended(p, rec)
	}, func() {
		switch {
		case refused == nil:
			x.feed(section.Appended{Record: rec})
		case errors.Is(refused, logrecord.ErrRepeated):
			have, _ := p.log.get(rec.GetNumber())
			x.feed(section.Appended{Record: have})
		case errors.Is(refused, logrecord.ErrStaleToken):
			p.w.stats.Stale++
			x.feed(section.Interrupt{Err: refused})
		default:
			x.feed(section.Alarm{Err: refused})
		}
	})
}

// admit is what the blueprint log decides.
func (p *producerNode) admit(rec *blueprintv1.LogRecord, head content.Hash) error {
	err := p.tip().Admit(rec, head)
	switch {
	case p.w.bug(ForgetsTheTokenCheck) && errors.Is(err, logrecord.ErrStaleToken):
		return nil
	case !errors.Is(err, logrecord.ErrKnown):
		return err
	}
	have, _ := p.log.get(rec.GetNumber())
	return logrecord.Repeats(have, rec)
}

// apply executes what is decided; it is never interrupted.
func (x *sectionRun) apply(e section.Apply) {
	p := x.p
	var block section.Block
	p.step(BlueprintApplied, func() { block = p.apply(p.w.spoilExecution(p, e.Record)); p.moved = p.w.now }, func() {
		x.feed(section.Applied{Block: block})
	})
}
