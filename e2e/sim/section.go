package sim

import (
	"errors"
	"strconv"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/lock"
	merge "blindseq/monitor-svc/machine"
	producer "blindseq/producer-svc/machine"
	proposer "blindseq/proposer-svc/machine"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// section runs producer-svc's critical section: it does the machine's effects, one at a time, and feeds it what they came
// to. The order of its checks is that of the service's performer.
type section struct {
	p         *producerNode
	s         producer.Section
	request   producer.Request
	held      *held
	cancelled bool // its term ended
	turn      int  // of the effect under way; an answer to an earlier one comes too late
	waits     bool // the effect under way may be interrupted
	giveUp    func()
	done      func(producer.Result)
}

func (x *section) feed(e producer.Event) {
	x.turn++
	x.waits = false
	s, effect := x.s.Step(e)
	if x.s = s; s.Phase == producer.Ended {
		x.done(s.Outcome)
		return
	}
	x.perform(effect)
}

// when makes an answer count only while it is waited for.
func (x *section) when(turn int, e func() producer.Event) {
	if x.turn == turn {
		x.feed(e())
	}
}

// cancel is the end of the term, or the loss of the lock.
func (x *section) cancel() {
	x.cancelled = true
	if x.giveUp != nil {
		x.giveUp()
		x.giveUp = nil
		x.feed(producer.Interrupt{Err: errLost})
		return
	}
	if x.waits {
		x.feed(producer.Interrupt{Err: errLost})
	}
}

func (x *section) perform(effect producer.Effect) {
	p := x.p
	switch e := effect.(type) {
	case producer.Acquire:
		x.acquire(e)
		return
	case producer.Apply:
		x.apply(e)
		return
	case producer.Publish:
		p.step(BlueprintPublished, func() { p.publish(e.Number) }, func() { x.feed(producer.Published{}) })
		return
	case producer.Release:
		if p.w.bug(NeverReturnsTheLock) && p.chain.head().Number > 3 {
			x.feed(producer.Released{})
			return
		}
		x.held.release(func() { x.feed(producer.Released{}) })
		return
	}
	if x.cancelled || x.held.check() != nil {
		x.feed(producer.Interrupt{Err: errLost})
		return
	}
	p.w.inside(p.process, x.held.token)
	x.waits = true
	switch e := effect.(type) {
	case producer.Submit:
		x.submit(e)
	case producer.Await:
		x.await(e)
	case producer.Fetch:
		x.fetch(e)
	case producer.Append:
		x.append(e)
	case producer.Notify:
		x.notify(e)
	case producer.Pause:
		wait := min(10*time.Millisecond<<min(e.Failures-1, 10), 500*time.Millisecond)
		turn := x.turn
		p.later(wait, func() { x.when(turn, func() producer.Event { return producer.Resumed{} }) })
	}
}

func (x *section) acquire(e producer.Acquire) {
	p := x.p
	if x.cancelled || p.leaving {
		x.feed(producer.Interrupt{Err: errLost})
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
		x.feed(producer.Locked{
			Token: h.token, Holder: p.lock.holder, Head: head, Now: p.w.wallClock(p.process), Known: x.known(e.Request.ID),
			Notified: head.Number == 0 || p.notified >= head.Number,
		})
	})
}

func (x *section) known(id string) *producer.Block {
	if x.p.w.bug(ForgetsServedRequests) {
		return nil
	}
	return x.p.known(id)
}

func (x *section) submit(e producer.Submit) {
	p, turn := x.p, x.turn
	q := p.w.anyProposer()
	r := proposer.Request{ID: e.Request.ID, Timestamp: e.Timestamp, Force: e.Request.Force, WithDelayed: e.Request.WithDelayed, Token: e.Token}
	if p.w.bug(RenumbersItsRequest) && !e.Request.Priority {
		p.w.renamed++
		r.ID += "'" + strconv.Itoa(p.w.renamed)
	}
	call(p.process, q.process, callTimeout*2, func(answer func(bool, error)) { q.request(r, answer) }, func(processed bool, err error) {
		x.when(turn, func() producer.Event {
			if err != nil {
				return producer.Failure{Err: err}
			}
			return producer.Requested{Processed: processed}
		})
	})
}

func (x *section) await(e producer.Await) {
	p, turn := x.p, x.turn
	m := p.w.anyMonitor()
	number := e.Number
	if p.w.bug(AwaitsTheNumberBefore) && number > 1 {
		number--
	}
	call(p.process, m.process, eventTimeout+callTimeout, func(answer func(merge.Outcome, error)) {
		m.next(e.RequestID, number, eventTimeout, answer)
	}, func(o merge.Outcome, err error) {
		x.when(turn, func() producer.Event { return answered(o, err) })
	})
}

func answered(o merge.Outcome, err error) producer.Event {
	switch {
	case errors.Is(err, errTimeout):
		return producer.TimedOut{}
	case err != nil:
		return producer.Failure{Err: err}
	case o.Preblock != nil:
		return producer.Delivered{Preblock: o.Preblock}
	}
	return producer.Denied{RequestID: o.NoPreblock.GetRequestId(), Reason: o.NoPreblock.GetReason()}
}

func (x *section) fetch(e producer.Fetch) {
	p, turn := x.p, x.turn
	m := p.w.anyMonitor()
	call(p.process, m.process, callTimeout*2, func(answer func(*preblockv1.Preblock, error)) { m.get(e.Number, answer) },
		func(b *preblockv1.Preblock, err error) {
			x.when(turn, func() producer.Event {
				switch {
				case errors.Is(err, errNotFound):
					return producer.UpToDate{}
				case err != nil:
					return producer.Failure{Err: err}
				}
				return producer.Delivered{Preblock: b}
			})
		})
}

func (x *section) notify(e producer.Notify) {
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
			x.when(turn, func() producer.Event {
				if err != nil {
					return producer.Failure{Err: err}
				}
				return producer.Notified{}
			})
		})
}

// noDelayed: no delayed transaction is used here.
type noDelayed struct{}

func (noDelayed) Raw(content.Hash) ([]byte, bool, error) { return nil, false, nil }
