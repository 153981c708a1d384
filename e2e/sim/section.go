package sim

import (
	"errors"
	"strconv"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/lock"
	"blindseq/monitor-svc/merge"
	"blindseq/producer-svc/section"
	"blindseq/proposer-svc/queue"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// sectionRun runs producer-svc's critical section: it does the machine's effects, one at a time, and feeds it what they came
// to. The order of its checks is that of the service's performer.
type sectionRun struct {
	p         *producerNode
	s         section.State
	request   section.Request
	held      *held
	cancelled bool // its term ended
	turn      int  // of the effect under way; an answer to an earlier one comes too late
	waits     bool // the effect under way may be interrupted
	giveUp    func()
	done      func(section.Result)
}

func (x *sectionRun) feed(e section.Event) {
	x.turn++
	x.waits = false
	s, effects, err := section.Next(x.s, e)
	switch x.s = s; {
	case err != nil:
		x.done(section.Result{Kind: section.Halted, Err: err})
	case len(effects) == 0:
		x.done(s.Result)
	default:
		x.perform(effects[0])
	}
}

// when makes an answer count only while it is waited for.
func (x *sectionRun) when(turn int, e func() section.Event) {
	if x.turn == turn {
		x.feed(e())
	}
}

// cancel is the end of the term, or the loss of the lock.
func (x *sectionRun) cancel() {
	x.cancelled = true
	if x.giveUp != nil {
		x.giveUp()
		x.giveUp = nil
		x.feed(section.Interrupt{Err: errLost})
		return
	}
	if x.waits {
		x.feed(section.Interrupt{Err: errLost})
	}
}

func (x *sectionRun) perform(effect section.Effect) {
	p := x.p
	switch e := effect.(type) {
	case section.Acquire:
		x.acquire(e)
		return
	case section.Apply:
		x.apply(e)
		return
	case section.Publish:
		p.step(BlueprintPublished, func() { p.publish(e.Number) }, func() { x.feed(section.Published{}) })
		return
	case section.Release:
		if p.w.bug(NeverReturnsTheLock) && p.chain.head().Number > 3 {
			x.feed(section.Released{})
			return
		}
		x.held.release(func() { x.feed(section.Released{}) })
		return
	}
	if x.cancelled || x.held.check() != nil {
		x.feed(section.Interrupt{Err: errLost})
		return
	}
	p.w.inside(p.process, x.held.token)
	x.waits = true
	switch e := effect.(type) {
	case section.Submit:
		x.submit(e)
	case section.Await:
		x.await(e)
	case section.Fetch:
		x.fetch(e)
	case section.Append:
		x.append(e)
	case section.Notify:
		x.notify(e)
	case section.Pause:
		wait := min(10*time.Millisecond<<min(e.Failures-1, 10), 500*time.Millisecond)
		turn := x.turn
		p.later(wait, func() { x.when(turn, func() section.Event { return section.Resumed{} }) })
	}
}

func (x *sectionRun) acquire(e section.Acquire) {
	p := x.p
	if x.cancelled || p.leaving {
		x.feed(section.Interrupt{Err: errLost})
		return
	}
	floor := p.tip().Token
	if p.w.bug(ForgetsTheTokenCheck) {
		floor = 0
	}
	x.giveUp = p.lock.acquire(lock.Request{Priority: e.Request.Priority, Floor: floor}, func(h *held) {
		x.giveUp, x.held = nil, h
		h.lost = x.cancel
		head := p.chain.head()
		x.feed(section.Locked{
			Token: h.token, Holder: p.lock.holder, Head: head, Now: p.w.wallClock(p.process), Known: x.known(e.Request.ID),
			Notified: head.Number == 0 || p.notified >= head.Number,
		})
	})
}

func (x *sectionRun) known(id string) *section.Block {
	if x.p.w.bug(ForgetsServedRequests) {
		return nil
	}
	return x.p.known(id)
}

func (x *sectionRun) submit(e section.Submit) {
	p, turn := x.p, x.turn
	q := p.w.anyProposer()
	r := queue.Request{ID: e.Request.ID, Timestamp: e.Timestamp, Force: e.Request.Force, WithDelayed: e.Request.WithDelayed, Token: e.Token}
	if p.w.bug(RenumbersItsRequest) && !e.Request.Priority {
		p.w.renamed++
		r.ID += "'" + strconv.Itoa(p.w.renamed)
	}
	call(p.process, q.process, callTimeout*2, func(answer func(bool, error)) { q.request(r, answer) }, func(processed bool, err error) {
		x.when(turn, func() section.Event {
			if err != nil {
				return section.Failure{Err: err}
			}
			return section.Requested{Processed: processed}
		})
	})
}

func (x *sectionRun) await(e section.Await) {
	p, turn := x.p, x.turn
	m := p.w.anyMonitor()
	number := e.Number
	if p.w.bug(AwaitsTheNumberBefore) && number > 1 {
		number--
	}
	call(p.process, m.process, eventTimeout+callTimeout, func(answer func(merge.Reply, error)) {
		m.next(e.RequestID, number, eventTimeout, answer)
	}, func(o merge.Reply, err error) {
		x.when(turn, func() section.Event { return answered(o, err) })
	})
}

func answered(o merge.Reply, err error) section.Event {
	switch {
	case errors.Is(err, errTimeout):
		return section.TimedOut{}
	case err != nil:
		return section.Failure{Err: err}
	case o.Preblock != nil:
		return section.Delivered{Preblock: o.Preblock}
	}
	return section.Denied{RequestID: o.NoPreblock.GetRequestId(), Reason: o.NoPreblock.GetReason()}
}

func (x *sectionRun) fetch(e section.Fetch) {
	p, turn := x.p, x.turn
	m := p.w.anyMonitor()
	call(p.process, m.process, callTimeout*2, func(answer func(*preblockv1.Preblock, error)) { m.get(e.Number, answer) },
		func(b *preblockv1.Preblock, err error) {
			x.when(turn, func() section.Event {
				switch {
				case errors.Is(err, errNotFound):
					return section.UpToDate{}
				case err != nil:
					return section.Failure{Err: err}
				}
				return section.Delivered{Preblock: b}
			})
		})
}

func (x *sectionRun) notify(e section.Notify) {
	p, turn := x.p, x.turn
	q, id := p.w.anyProposer(), e.RequestID
	if rec, ok := p.log.get(e.Number); ok && id == "" {
		id = rec.GetRequestId()
	}
	call(p.process, q.process, callTimeout*2, func(answer func(bool, error)) { q.processed(id, e.Number, answer) },
		func(_ bool, err error) {
			if err == nil {
				p.notified = max(p.notified, e.Number)
			}
			x.when(turn, func() section.Event {
				if err != nil {
					return section.Failure{Err: err}
				}
				return section.Notified{}
			})
		})
}

// noDelayed: no delayed transaction is used here.
type noDelayed struct{}

func (noDelayed) Raw(content.Hash) ([]byte, bool, error) { return nil, false, nil }
