package sim

import (
	"blindseq/kit/content"
	producer "blindseq/producer-svc/machine"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// append writes the blueprint log: the moment a block is decided.
func (x *section) append(e producer.Append) {
	p := x.p
	x.waits = false // from here on it is not interrupted
	rec, err := producer.RecordOf(e.Preblock, noDelayed{})
	if err != nil {
		x.feed(producer.Alarm{Err: err})
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
			x.feed(producer.Appended{Record: rec})
		case producer.IsRepeated(refused):
			have, _ := p.log.get(rec.GetNumber())
			x.feed(producer.Appended{Record: have})
		case producer.IsStale(refused):
			p.w.stats.Stale++
			x.feed(producer.Interrupt{Err: refused})
		default:
			x.feed(producer.Alarm{Err: refused})
		}
	})
}

// admit is what the blueprint log decides.
func (p *producerNode) admit(rec *blueprintv1.LogRecord, head content.Hash) error {
	err := p.tip().Admit(rec, head)
	switch {
	case p.w.bug(ForgetsTheTokenCheck) && producer.IsStale(err):
		return nil
	case !producer.IsKnown(err):
		return err
	}
	have, _ := p.log.get(rec.GetNumber())
	return producer.Repeats(have, rec)
}

// apply executes what is decided; it is never interrupted.
func (x *section) apply(e producer.Apply) {
	p := x.p
	var block producer.Block
	p.step(BlueprintApplied, func() { block = p.apply(p.w.spoilExecution(p, e.Record)); p.moved = p.w.now }, func() {
		x.feed(producer.Applied{Block: block})
	})
}
