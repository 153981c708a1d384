package sim

import (
	"fmt"
	"time"

	"blindseq/kit/lock"
	"blindseq/kit/lock/locktest"
)

// Of each lock and lease.
const (
	lockTTL    = time.Second
	lockMargin = lockTTL / 5
)

// epoch is the zero of everyone's monotonic clock.
var epoch = time.Unix(1_700_000_000, 0)

// mono is the monotonic clock.
func (w *world) mono() time.Time { return epoch.Add(w.now) }

// locker is one lock in one life of a process: kit/lock's line, contest and belief, with the goroutines left out.
type locker struct {
	p        *process
	name     string
	holder   string
	taken    Point
	line     lock.Line
	contests map[*lock.Waiter]*contest
	tries    int
}

func newLocker(p *process, name string, taken Point) *locker {
	l := &locker{
		p: p, name: name, taken: taken, contests: map[*lock.Waiter]*contest{}, holder: fmt.Sprintf("%s/%d", p.name, p.life),
	}
	p.w.redis.subscribe(p, name, func(string) { l.heard() })
	return l
}

// contest is one acquisition under way.
type contest struct {
	lock.Contest
	l         *locker
	w         *lock.Waiter
	a         locktest.Attempt
	done      func(*held)
	turn      bool
	asking    bool
	displaced bool
	over      bool
	failures  int
	again     *timer
}

// acquire calls done when the lock is held. The function returned gives up.
func (l *locker) acquire(r lock.Request, done func(*held)) (giveUp func()) {
	l.tries++
	c := &contest{l: l, w: lock.NewWaiter(r.Priority), done: done}
	c.a = locktest.Attempt{ID: fmt.Sprintf("%s#%d", l.holder, l.tries), Holder: l.holder, Meta: r.Meta, Floor: r.Floor}
	l.contests[c.w] = c
	l.tell(l.line.Join(c.w))
	return c.quit
}

func (l *locker) tell(e lock.Effects) {
	if c := l.contests[e.Granted]; e.Granted != nil && c != nil {
		c.turn = true
		c.ask()
	}
	if c := l.contests[e.Displaced]; e.Displaced != nil && c != nil {
		c.displaced = true
		c.yield()
	}
}

// heard has the one in its turn look again.
func (l *locker) heard() {
	for _, c := range l.contests {
		if c.turn && !c.asking { // there is one at most
			c.again.stop()
			c.ask()
			return
		}
	}
}

func (c *contest) ask() {
	if c.over || !c.turn || c.asking {
		return
	}
	p, sent := c.l.p, c.l.p.w.mono()
	c.asking = true
	type answer struct {
		token uint64
		wait  int64
	}
	p.moment(Moment{c.l.taken, false}, func() {
		do(p, func(k *keys, now int64) (answer, error) {
			c.l.p.w.spoilLock(k, c.l.name, now)
			token, wait := k.lock(c.l.name).Acquire(now, lockTTL.Milliseconds(), c.a)
			return answer{token, wait}, nil
		}, func(got answer, err error) {
			c.answered(sent, got.token, time.Duration(got.wait)*time.Millisecond, err)
		})
	})
}

func (c *contest) answered(sent time.Time, token uint64, wait time.Duration, err error) {
	c.asking = false
	w := c.l.p.w
	b := lock.NewBelief(lockTTL, lockMargin)
	holds := c.Answered(token, err, token > 0 && b.Confirm(sent, w.mono()))
	switch {
	case c.over && token > 0:
		c.giveBack()
	case c.over:
	case holds:
		c.over = true
		c.l.p.step(c.l.taken, func() { w.taken(c.l.p, c.l.name) }, func() { c.done(newHeld(c, token, b)) })
	case c.Waited:
		c.failures = 0
		c.wait(wait + time.Millisecond + time.Duration(w.rng.Int64N(int64(lockTTL/50))))
	default:
		c.failures++
		c.wait(min(20*time.Millisecond<<min(c.failures, 10), time.Second))
	}
}

func (c *contest) wait(d time.Duration) {
	if c.displaced && c.yield() {
		return
	}
	c.again = c.l.p.later(d, c.ask)
}

// yield gives the turn to a priority waiter, unless it is not known whether the lock is held already.
func (c *contest) yield() bool {
	if c.asking || c.Unsure || c.over || !c.turn {
		return false
	}
	c.displaced, c.turn = false, false
	c.again.stop()
	c.l.tell(c.l.line.Yield(c.w))
	return true
}

func (c *contest) quit() {
	if c.over {
		return
	}
	c.over, c.turn = true, false
	c.again.stop()
	delete(c.l.contests, c.w)
	if c.Unsure {
		c.giveBack()
	}
	c.l.tell(c.l.line.Leave(c.w))
}

func (c *contest) giveBack() { c.l.release(c.a, func(bool, error) {}) }

// release gives an attempt back if it holds the lock.
func (l *locker) release(a locktest.Attempt, done func(bool, error)) {
	do(l.p, func(k *keys, now int64) (bool, error) {
		mine := k.lock(l.name).Release(now, a.ID)
		if mine {
			l.p.w.redis.publish(l.name, "released")
		}
		return mine, nil
	}, done)
}
