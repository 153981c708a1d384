package sim

import (
	"errors"
	"time"

	"blindseq/kit/lock"
)

var errLost = errors.New("lock lost")

// held is a lock that is held, or believed to be.
type held struct {
	c      *contest
	token  uint64
	belief lock.Belief
	ended  bool
	lost   func() // called once when the lock is lost
	timers [2]*timer
}

func newHeld(c *contest, token uint64, b lock.Belief) *held {
	h := &held{c: c, token: token, belief: b, lost: func() {}}
	h.watch()
	h.timers[1] = c.l.p.later(lockTTL/3, h.renew)
	return h
}

// check is nil while the lock may be believed to be held.
func (h *held) check() error {
	if h.ended || !h.belief.Holds(h.now()) && !h.c.l.p.w.bug(TrustsALostLock) {
		return errLost
	}
	return nil
}

func (h *held) now() time.Time { return h.c.l.p.w.mono() }

// watch ends the belief before the lease ends.
func (h *held) watch() {
	h.timers[0] = h.c.l.p.later(h.belief.Until().Sub(h.now()), func() {
		if h.belief.Holds(h.now()) {
			h.watch()
			return
		}
		h.lose()
	})
}

func (h *held) lose() {
	p := h.c.l.p
	if h.ended || p.w.bug(TrustsALostLock) {
		return
	}
	h.end()
	p.w.lostLock(p, h.c.l.name)
	h.lost()
}

func (h *held) end() {
	h.ended = true
	h.timers[0].stop()
	h.timers[1].stop()
}

func (h *held) renew() {
	if h.ended {
		return
	}
	p, sent := h.c.l.p, h.now()
	p.moment(Moment{LockRenewed, false}, func() {
		do(p, func(k *keys, now int64) (bool, error) {
			return k.lock(h.c.l.name).Renew(now, lockTTL.Milliseconds(), h.c.a.ID), nil
		}, func(ours bool, err error) {
			if h.ended {
				return
			}
			p.moment(Moment{LockRenewed, true}, func() { h.renewed(sent, ours, err) })
		})
	})
}

func (h *held) renewed(sent time.Time, ours bool, err error) {
	next, lost := h.belief.Renewed(sent, h.now(), ours, err)
	if lost != "" {
		h.lose()
		return
	}
	h.timers[1] = h.c.l.p.later(next.Sub(h.now()), h.renew)
}

// release gives the lock back and lets the next one of this process in.
func (h *held) release(done func()) {
	l := h.c.l
	h.end()
	h.belief = lock.NewBelief(0, 0)
	again := true
	var finish func(bool, error)
	finish = func(_ bool, err error) {
		if err != nil && again { // the first may have met a connection that broke
			again = false
			l.release(h.c.a, finish)
			return
		}
		delete(l.contests, h.c.w)
		l.tell(l.line.Leave(h.c.w))
		l.p.moment(Moment{LockReturned, true}, done)
	}
	l.p.moment(Moment{LockReturned, false}, func() { l.release(h.c.a, finish) })
}
