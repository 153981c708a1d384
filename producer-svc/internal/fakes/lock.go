package fakes

import (
	"context"
	"errors"
	"sync/atomic"

	"blindseq/producer-svc/internal/sections"
)

// ErrLost is the cause with which Lock.Lose ends a holder's context.
var ErrLost = errors.New("lock lost")

// Lock is a lock in one process that can be taken away.
type Lock struct {
	Floor func() uint64

	slot  chan struct{}
	token atomic.Uint64
	held  atomic.Pointer[held]
}

// NewLock returns a free lock whose tokens are above floor.
func NewLock(floor func() uint64) *Lock { return &Lock{Floor: floor, slot: make(chan struct{}, 1)} }

type held struct {
	lock   *Lock
	ctx    context.Context
	cancel context.CancelCauseFunc
	token  uint64
}

// Acquire implements sections.Lock; all classes are one.
func (l *Lock) Acquire(ctx context.Context, _ bool) (sections.Held, error) {
	select {
	case l.slot <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h := &held{lock: l, token: max(l.token.Load(), l.Floor()) + 1}
	l.token.Store(h.token)
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	l.held.Store(h)
	return h, nil
}

// Lose takes the lock from its holder, which still believes that it holds the lock for a while.
func (l *Lock) Lose() {
	if h := l.held.Load(); h != nil {
		h.cancel(ErrLost)
	}
}

func (h *held) Context() context.Context { return h.ctx }
func (h *held) Check() error             { return context.Cause(h.ctx) }
func (h *held) Token() uint64            { return h.token }
func (h *held) Holder() string           { return "test" }

func (h *held) Release(context.Context) error {
	h.cancel(context.Canceled)
	<-h.lock.slot
	return nil
}
