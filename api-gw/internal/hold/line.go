package hold

import (
	"context"
	"errors"
	"sync"
	"time"
)

// grace is how long who was asked may still answer after another has come to lead: one that hands over in order answers
// all that it has begun, one that is cut off never does.
const grace = time.Second

// ErrSucceeded is the cause of the end of an attempt's context when another leads than the one that was asked.
var ErrSucceeded = errors.New("another producer leads now")

// Upstream is who is asked by the calls of a line. Without Changed it is always the same.
type Upstream struct {
	Name string
	// Who is to be asked now, "" when nobody is known. Changed, taken before, is closed when there is news of it: another is
	// to be asked, or the same begins anew.
	Who     func() string
	Changed func() <-chan struct{}
}

// Line is the calls to one upstream.
type Line struct {
	room *Room
	up   Upstream

	mu    sync.Mutex
	news  chan struct{}   // closed and replaced when kept calls are to try again
	term  context.Context // ends when who is asked has been succeeded by another
	end   context.CancelCauseFunc
	since row
}

// row is the kept calls from the moment there is one until there is none.
type row struct {
	began                  time.Time
	held, calls, notServed int
}

// Line makes the line of an upstream. One with Changed has to Run.
func (r *Room) Line(ctx context.Context, up Upstream) *Line {
	l := &Line{room: r, up: up, news: make(chan struct{})}
	l.term, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

// Run follows the upstream until ctx ends.
func (l *Line) Run(ctx context.Context) error {
	asked := l.up.Who()
	for {
		changed := l.up.Changed()
		if now := l.up.Who(); now != asked {
			asked = now
			l.succeed(ctx)
		}
		l.wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// succeed ends the attempts at who was asked until now, after a while.
func (l *Line) succeed(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.end
	time.AfterFunc(grace, func() { end(ErrSucceeded) })
	l.term, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
}

// try makes an attempt, and gives it up when somebody else has come to lead and it goes on for longer than grace.
func (l *Line) try(ctx context.Context, attempt func(context.Context) error) error {
	if l == nil || l.up.Changed == nil {
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

// listen returns what is closed at the next news.
func (l *Line) listen() <-chan struct{} {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.news
}

func (l *Line) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.news)
	l.news = make(chan struct{})
}

// enter and leave count who is kept, and tell of the first and the last of a row: an outage keeps thousands.
func (l *Line) enter(ctx context.Context, why *notNow) {
	l.room.cfg.Recorder.Held(l.up.Name, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.held == 0 {
		l.since = row{began: time.Now()}
		l.room.cfg.Log.InfoContext(ctx, "calls are held until they can be served", "upstream", l.up.Name, "reason", why.reason, "error", why.err)
	}
	l.since.held++
	l.since.calls++
}

func (l *Line) leave(ctx context.Context, outcome string, took time.Duration) {
	l.room.cfg.Recorder.Held(l.up.Name, -1)
	l.room.cfg.Recorder.HoldEnded(l.up.Name, outcome, took)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since.held--
	if outcome != Served {
		l.since.notServed++
	}
	if l.since.held == 0 {
		l.room.cfg.Log.InfoContext(ctx, "no call is held any more", "upstream", l.up.Name, "calls", l.since.calls,
			"not_served", l.since.notServed, "took", time.Since(l.since.began))
	}
}
