package hold

import (
	"context"
	"errors"
	"sync"
	"time"

	"blindseq/kit/notify"
)

// grace is how long a former leader may still answer after another leads: one that hands over cleanly answers all calls that
// it has begun, one that is cut off never does.
const grace = time.Second

// ErrSucceeded is the cause of the end of an attempt's context when the producer that it asked no longer leads.
var ErrSucceeded = errors.New("another producer leads now")

// Backend is the service that the calls of a line ask. Without Changed it is always the same.
type Backend struct {
	Name string
	// Who names the replica to ask now, "" when none is known. Changed, taken before, is closed when another replica is to
	// be asked, or the same one starts again.
	Who     func() string
	Changed func() <-chan struct{}
}

// Line is the calls to one backend.
type Line struct {
	room    *Room
	backend Backend

	news notify.Broadcast // held calls are to try again

	mu    sync.Mutex
	term  context.Context // ends when another replica leads
	end   context.CancelCauseFunc
	since row
}

// row is the held calls from the first one until none is left.
type row struct {
	began                  time.Time
	held, calls, notServed int
}

// Line returns the line of a backend. The line of a backend with Changed must Run.
func (r *Room) Line(ctx context.Context, backend Backend) *Line {
	l := &Line{room: r, backend: backend}
	l.term, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

// Run follows the backend until ctx ends.
func (l *Line) Run(ctx context.Context) error {
	asked := l.backend.Who()
	for {
		changed := l.backend.Changed()
		if now := l.backend.Who(); now != asked {
			asked = now
			l.succeed(ctx)
		}
		l.news.Notify()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// succeed ends the attempts at the former leader after the grace.
func (l *Line) succeed(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.end
	time.AfterFunc(grace, func() { end(ErrSucceeded) })
	l.term, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
}

// try makes an attempt, and cancels it when another leads and it lasts longer than the grace.
func (l *Line) try(ctx context.Context, attempt func(context.Context) error) error {
	if l == nil || l.backend.Changed == nil {
		return attempt(ctx)
	}
	l.mu.Lock()
	term := l.term
	l.mu.Unlock()
	asked, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	stop := context.AfterFunc(term, func() { cancel(ErrSucceeded) })
	defer stop()
	err := attempt(asked)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(asked), ErrSucceeded) {
		return Again(Succeeded, err)
	}
	return err
}

// listen returns a channel that is closed when held calls are to try again.
func (l *Line) listen() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.news.Changed()
}

// enter and leave count held calls, and log only the first and the last of a row: an outage holds thousands.
func (l *Line) enter(ctx context.Context, why *notNow) {
	l.room.cfg.Recorder.Held(l.backend.Name, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.held == 0 {
		l.since = row{began: time.Now()}
		l.room.cfg.Log.InfoContext(ctx, "holding calls", "backend", l.backend.Name, "reason", why.reason, "error", why.err)
	}
	l.since.held++
	l.since.calls++
}

func (l *Line) leave(ctx context.Context, outcome string, took time.Duration) {
	l.room.cfg.Recorder.Held(l.backend.Name, -1)
	l.room.cfg.Recorder.HoldEnded(l.backend.Name, outcome, took)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since.held--
	if outcome != Served {
		l.since.notServed++
	}
	if l.since.held == 0 {
		l.room.cfg.Log.InfoContext(ctx, "no calls held any more", "backend", l.backend.Name, "calls", l.since.calls,
			"not_served", l.since.notServed, "took", time.Since(l.since.began))
	}
}
