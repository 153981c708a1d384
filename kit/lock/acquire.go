package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"blindseq/kit/retry"
)

// pauses are between questions to a Redis that cannot be asked.
var pauses = retry.Policy{First: 20 * time.Millisecond, Longest: time.Second}

// Acquire waits for the lock until ctx ends. While Redis cannot be asked it keeps trying; the error then names the last
// cause. The lock is released by Held.Release, not by the end of ctx.
func (l *Locker) Acquire(ctx context.Context, r Request) (*Held, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("acquire lock %s: %w", l.o.Name, err)
	}
	w := NewWaiter(r.Priority)
	l.step(func() Effects { return l.line.Join(w) })
	c := l.contention(w, r)
	held, err := c.run(ctx)
	if err != nil {
		c.quit(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("acquire lock %s: %w", l.o.Name, err)
	}
	return held, nil
}

func (r Request) check() error {
	if r.Floor > maxFloor {
		return fmt.Errorf("%w: floor %d is above %d", ErrBadRequest, r.Floor, uint64(maxFloor))
	}
	if len(r.Meta) > maxMeta {
		return fmt.Errorf("%w: meta of %d bytes, at most %d are allowed", ErrBadRequest, len(r.Meta), maxMeta)
	}
	return nil
}

// contention is an Acquire call at work.
type contention struct {
	*Locker
	w      *Waiter
	a      attempt
	pauses *retry.Backoff

	Contest
	listening bool
	last      error // of the last question
}

func (l *Locker) contention(w *Waiter, r Request) *contention {
	c := &contention{Locker: l, w: w, pauses: pauses.New()}
	c.a = attempt{id: l.holder + "#" + strconv.FormatUint(l.tries.Add(1), 10), holder: l.holder, Request: r}
	return c
}

func (c *contention) run(ctx context.Context) (*Held, error) {
	for {
		if err := c.myTurn(ctx); err != nil {
			return nil, err
		}
		held, err := c.takeTurn(ctx)
		if held != nil || err != nil {
			return held, err
		}
		c.step(func() Effects { return c.line.Yield(c.w) })
	}
}

func (c *contention) myTurn(ctx context.Context) error {
	select {
	case <-c.w.granted.C():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting behind others in this process: %w", context.Cause(ctx))
	}
}

// takeTurn asks Redis until the lock is held. It returns neither lock nor error when a priority waiter is to go first.
func (c *contention) takeTurn(ctx context.Context) (*Held, error) {
	defer c.deafen()
	for ctx.Err() == nil {
		held, wait := c.ask(ctx)
		if held != nil {
			return held, nil
		}
		if errors.Is(c.last, redis.ErrClosed) {
			return nil, c.last
		}
		if c.pause(ctx, wait) {
			return nil, nil
		}
	}
	return nil, c.whyNot(context.Cause(ctx))
}

// pause waits for an event of the lock or the timeout. It reports whether a priority waiter arrived.
func (c *contention) pause(ctx context.Context, wait time.Duration) (displaced bool) {
	came := c.w.displaced.C()
	if c.Unsure {
		came = nil // the attempt may have been granted, and would block the priority waiter: ask again first
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.ear.heard.C():
	case <-timer.C:
	case <-ctx.Done():
	case <-came:
		return true
	}
	return false
}

// ask makes or repeats the attempt: a repeat is harmless and finds out whether an earlier one was granted. It returns how long
// to wait before the next attempt unless an event comes first.
func (c *contention) ask(ctx context.Context) (*Held, time.Duration) {
	c.ear.forget()
	sent := time.Now()
	got, err := c.store.acquire(ctx, c.a)
	var held *Held
	if c.last = err; got.token > 0 {
		if sent, err = c.confirmed(ctx, got.token, sent); err != nil {
			return nil, c.pauses.Next()
		}
		held = c.hold(ctx, c.w, c.a, got.token, sent)
	}
	switch {
	case c.Answered(got.token, err, held != nil):
		return held, 0
	case c.Waited:
		c.pauses.Reset()
		c.listen(ctx)
		return nil, got.wait + time.Millisecond + rand.N(c.o.TTL/50+time.Millisecond) // not all at the same moment
	case err == nil:
		c.last = errors.New("the answer took longer than the lease lasts")
	}
	return nil, c.pauses.Next()
}

func (c *contention) whyNot(cause error) error {
	switch {
	case c.Waited:
		return fmt.Errorf("held elsewhere: %w", cause)
	case c.last == nil || errors.Is(c.last, cause):
		return cause
	}
	return fmt.Errorf("%w (last try: %w)", cause, c.last)
}

// quit leaves nothing of a failed Acquire behind: no lock taken by a command whose reply was lost. Where Redis cannot be asked
// it ends with its TTL.
func (c *contention) quit(ctx context.Context) {
	if c.Unsure {
		_, _ = c.giveBack(ctx, c.a)
	}
	c.leave(c.w)
}

func (c *contention) listen(ctx context.Context) {
	if !c.listening {
		c.listening = true
		c.ear.open(ctx)
	}
}

func (c *contention) deafen() {
	if c.listening {
		c.listening = false
		c.ear.close()
	}
}

// giveBack releases an attempt if it is the holder. It tries twice, because the first try may use a connection that Redis has
// closed. If the second finds nothing, the first succeeded.
func (l *Locker) giveBack(ctx context.Context, a attempt) (ours bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, returnTimeout)
	defer cancel()
	ours, err = l.store.release(ctx, a)
	if err == nil || errors.Is(err, redis.ErrClosed) {
		return ours, err
	}
	_, err = l.store.release(ctx, a)
	return err == nil, err
}

func (l *Locker) leave(w *Waiter) { l.step(func() Effects { return l.line.Leave(w) }) }

// step changes the line and notifies those concerned.
func (l *Locker) step(change func() Effects) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := change()
	if e.Granted != nil {
		e.Granted.granted.Notify()
	}
	if e.Displaced != nil {
		e.Displaced.displaced.Notify()
	}
}
