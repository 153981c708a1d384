package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/retry"
)

// Held is a lock that was acquired. It renews itself until Release, which must be called in any case: also a lost lock
// keeps this Locker's other waiters out until the section that believed in it has ended.
type Held struct {
	locker *Locker
	turn   *Waiter
	tried  attempt
	token  uint64
	lease  *lease

	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // ends the renewing

	once     sync.Once
	released error
}

// hold starts the lease of a granted attempt, or returns nil when the answer came too late to be believed.
func (l *Locker) hold(ctx context.Context, w *Waiter, a attempt, token uint64, sent time.Time) *Held {
	h := &Held{locker: l, turn: w, tried: a, token: token}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	h.lease = newLease(l.o.TTL, l.o.Margin, sent, h.lost)
	if h.lease == nil {
		h.cancel(ErrLost)
		return nil
	}
	// Renewing continues for a TTL when ctx ends: the section may still be finishing, and ends it with Release. One that hangs on a
	// disk loses the lock, so that others may go on.
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		_ = retry.Sleep(renewing, l.o.TTL)
		stop()
	})
	h.stop = func() { unhook(); stop() }
	go h.renew(renewing)
	return h
}

// Context is a child of the one given to Acquire. It is cancelled, with a cause that is ErrLost, before the lease can
// end elsewhere; and by Release.
func (h *Held) Context() context.Context { return h.ctx }

// Token is greater than that of every earlier acquisition and than Request.Floor.
func (h *Held) Token() uint64 { return h.token }

// Holder is the name under which this Locker holds the lock; it is unique to this Locker of this process.
func (h *Held) Holder() string { return h.tried.holder }

// Check is nil while the lock may be believed to be held, and ErrLost after. It looks at the clock, so it is right also
// where a process just woken from a pause has not yet seen its context cancelled: call it before a step that decides.
func (h *Held) Check() error {
	if h.lease.holds() {
		return nil
	}
	return ErrLost
}

// Release gives the lock back and lets the next one in. It ignores the end of ctx, as a lock has to be handed back
// then too, and takes at most a second. It returns ErrLost when the lock was lost before: what the section did may have
// overlapped with another's. After any other error the lease expires within its TTL. Further calls return the same.
func (h *Held) Release(ctx context.Context) error {
	h.once.Do(func() { h.released = h.release(context.WithoutCancel(ctx)) })
	return h.released
}

func (h *Held) release(ctx context.Context) error {
	believed := h.lease.end()
	h.stop()
	h.cancel(context.Canceled)
	l := h.locker
	ours, err := l.giveBack(ctx, h.tried)
	l.leave(h.turn)
	switch {
	case !believed, err == nil && !ours:
		return fmt.Errorf("release lock %s, token %d: %w", l.o.Name, h.token, ErrLost)
	case err != nil:
		return fmt.Errorf("release lock %s, token %d: %w", l.o.Name, h.token, err)
	}
	return nil
}

func (h *Held) lost(cause error) {
	h.cancel(cause)
	h.stop()
}

func (h *Held) renew(ctx context.Context) {
	err := h.lease.keep(ctx, func(ctx context.Context) (bool, error) {
		return h.locker.store.renew(ctx, h.tried, h.token)
	})
	if cause := context.Cause(h.ctx); errors.Is(cause, ErrLost) {
		h.locker.o.Log.WarnContext(h.ctx, "lock lost", "lock", h.locker.o.Name, "token", h.token, "cause", cause, "last_error", err)
	}
}
