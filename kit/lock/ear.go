package lock

import (
	"context"
	"sync"
	"time"

	"blindseq/kit/notify"
	"blindseq/kit/redisx"
)

// linger is how long the subscription outlives the last waiter: with steady contention it is made once, not each time.
const linger = 200 * time.Millisecond

// ear is the one subscription of a Locker to its lock's events. It exists only while somebody waits for a holder in
// another process (and a little longer): the path without contention never opens it.
type ear struct {
	rdb     *redisx.Client
	channel string
	heard   notify.Wake // look again; only the waiter whose turn it is receives

	mu     sync.Mutex
	cancel context.CancelFunc
	idle   *time.Timer
}

func newEar(rdb *redisx.Client, channel string) *ear {
	return &ear{rdb: rdb, channel: channel, heard: notify.NewWake()}
}

// open makes sure that events are heard. The subscription belongs to the Locker and not to this caller: of ctx it takes
// the values, not the end.
func (e *ear) open(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.idle != nil {
		e.idle.Stop()
		e.idle = nil
	}
	if e.cancel != nil {
		return
	}
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	// It ends with an error only when the client was closed; then Acquire fails with the same.
	go func() { _ = redisx.Watch(ctx, e.rdb, e.notify, e.channel) }()
}

func (e *ear) notify(_, payload string) {
	if payload == "acquired" {
		return
	}
	e.heard.Notify()
}

// forget drops a signal from before the next question to Redis.
func (e *ear) forget() {
	select {
	case <-e.heard.C():
	default:
	}
}

func (e *ear) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(linger, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.idle == timer { // nobody opened it again meanwhile
			e.cancel()
			e.cancel, e.idle = nil, nil
		}
	})
	e.idle = timer
}
