package lock

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lease puts a belief on a timer. The timer waits for nothing: it ends the belief in time also when the goroutine that
// renews is stuck in a call.
type lease struct {
	mu     sync.Mutex
	belief Belief
	ended  bool // onLost was called, or never will be
	timer  *time.Timer
	onLost func(cause error)
}

// newLease returns nil when the answer to the command sent at that time came too late to be believed.
func newLease(ttl, margin time.Duration, sent time.Time, onLost func(cause error)) *lease {
	l := &lease{belief: NewBelief(ttl, margin), onLost: onLost}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.belief.Confirm(sent, time.Now()) {
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
	if l.ended || !l.belief.Holds(now) {
		return false
	}
	l.timer.Reset(l.belief.until.Sub(now))
	return true
}

func (l *lease) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.belief.Holds(time.Now())
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
	held := !l.ended && l.belief.Holds(time.Now())
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

// renewed records the result of a renewal.
func (l *lease) renewed(sent time.Time, ours bool, err error) (next time.Time, lost string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.belief.Renewed(sent, time.Now(), ours, err)
}

// keep renews the lease until ctx ends or it is lost. A call gets a third of the TTL, so that a second one still has its
// chance before the belief ends.
func (l *lease) keep(ctx context.Context, renew func(context.Context) (bool, error)) error {
	third := l.belief.ttl / 3
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
		call, cancel := context.WithDeadline(ctx, slices.MinFunc([]time.Time{sent.Add(third), l.deadline()}, time.Time.Compare))
		ours, err := renew(call)
		cancel()
		failed = err
		next, lost := l.renewed(sent, ours, err)
		if lost != "" {
			l.lose(lost)
			return nil
		}
		timer.Reset(time.Until(next))
	}
}
