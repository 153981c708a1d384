package lock

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// belief is how long this process may believe that it holds the lease: from the moment the command was sent that took
// or renewed it (Redis counted its TTL from a later one) for the TTL less a margin for clocks running at different
// speeds and for the holder to stop. Once lost it stays lost: its users have been told to stop.
type belief struct {
	ttl, margin time.Duration
	until       time.Time
	over        bool
}

// confirm takes in that Redis granted or renewed the lease by a command sent at that time. It says whether the lease is
// believed now: an answer that took too long is worth nothing.
func (b *belief) confirm(sent, now time.Time) bool {
	if b.over || (!b.until.IsZero() && !now.Before(b.until)) {
		b.over = true
		return false
	}
	if until := sent.Add(b.ttl - b.margin); until.After(b.until) {
		b.until = until
	}
	b.over = !now.Before(b.until)
	return !b.over
}

func (b *belief) holds(now time.Time) bool { return !b.over && now.Before(b.until) }

// lease puts a belief on a timer. The timer waits for nothing: it ends the belief in time also when the goroutine that
// renews is stuck in a call.
type lease struct {
	mu     sync.Mutex
	belief belief
	ended  bool // onLost was called, or never will be
	timer  *time.Timer
	onLost func(cause error)
}

// newLease returns nil when the answer to the command sent at that time came too late to be believed.
func newLease(ttl, margin time.Duration, sent time.Time, onLost func(cause error)) *lease {
	l := &lease{belief: belief{ttl: ttl, margin: margin}, onLost: onLost}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.belief.confirm(sent, time.Now()) {
		return nil
	}
	l.timer = time.AfterFunc(time.Until(l.belief.until), l.due)
	return l
}

func (l *lease) due() {
	if !l.postpone() {
		l.lose("not renewed in time")
	}
}

// postpone sets the timer again when the lease was renewed while it fired.
func (l *lease) postpone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.ended || !l.belief.holds(now) {
		return false
	}
	l.timer.Reset(l.belief.until.Sub(now))
	return true
}

func (l *lease) confirm(sent time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.belief.confirm(sent, time.Now())
}

func (l *lease) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.belief.holds(time.Now())
}

func (l *lease) deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.belief.until
}

// end stops the clock: after it, onLost is not called any more. It says whether the lease was believed until now.
func (l *lease) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := !l.ended && l.belief.holds(time.Now())
	l.ended, l.belief.over = true, true
	l.timer.Stop()
	return held
}

func (l *lease) lose(why string) {
	l.mu.Lock()
	first := !l.ended
	l.ended, l.belief.over = true, true
	l.timer.Stop()
	l.mu.Unlock()
	if first {
		l.onLost(fmt.Errorf("%w: %s", ErrLost, why))
	}
}

// keep renews the lease, every third of its TTL, until ctx ends or it is lost. A call gets a third of the TTL, so that
// a second one still has its chance before the belief ends.
func (l *lease) keep(ctx context.Context, renew func(context.Context) (bool, error)) error {
	third, soon := l.belief.ttl/3, l.belief.ttl/10
	timer := time.NewTimer(third)
	defer timer.Stop()
	var failed error
	for {
		select {
		case <-ctx.Done():
			return failed
		case <-timer.C:
		}
		sent := time.Now()
		call, cancel := context.WithDeadline(ctx, earlier(sent.Add(third), l.deadline()))
		ours, err := renew(call)
		cancel()
		switch {
		case err != nil:
			failed = err
			timer.Reset(soon)
		case !ours:
			l.lose("it is gone or held by another")
			return nil
		case !l.confirm(sent):
			l.lose("renewed too late")
			return nil
		default:
			failed = nil
			timer.Reset(time.Until(sent.Add(third)))
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
