// Package hold holds calls that the gateway cannot serve yet, and retries them until they succeed or time out: while another
// producer takes the lead, a service restarts or Redis is down, the caller waits instead of being refused.
//
// It guarantees: a call is retried only when its attempt failed with Again, so because of the replica or the moment, never
// because of its content; it is held for at most Config.Timeout, and never longer than its own context lasts; at most
// Config.Max calls are held at once, and one more is refused. A held call is retried when another replica is to be asked,
// when another held call of the same line succeeds, and after a pause that grows to half a second, because not every
// recovery sends an event.
//
// It asks of callers that an attempt is harmless to repeat, also when it succeeded and its answer was lost.
package hold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"blindseq/kit/retry"

	"golang.org/x/sync/semaphore"
)

// Why a call is retried, the label of its counter.
const (
	NoLeader    = "no_leader"   // no leader is known
	Unavailable = "unavailable" // the replica that was asked cannot serve it now, or the connection to it broke
	Succeeded   = "succeeded"   // another leads than the replica that was asked and has not answered
)

// How a held call ended, the label of its histogram.
const (
	Served     = "served"
	Refused    = "refused"     // it failed in a way that is not retried
	GivenUp    = "given_up"    // it was held for Timeout
	Left       = "left"        // its caller left, its own deadline passed, or the gateway stops
	TurnedAway = "turned_away" // it was not held, because Max others were
)

var retries = retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}

// Recorder takes the figures of held calls.
type Recorder interface {
	Held(line string, change int)
	Repeat(line, reason string)
	HoldEnded(line, outcome string, took time.Duration)
}

// Config says what a Room holds.
type Config struct {
	Timeout  time.Duration // how long a call is held after its first failure; 0: no call is held
	Max      int64         // maximum number of calls held at once
	Recorder Recorder
	Log      *slog.Logger
}

// Room is where calls are held.
type Room struct {
	cfg   Config
	seats *semaphore.Weighted
}

// New returns a room.
func New(cfg Config) *Room { return &Room{cfg: cfg, seats: semaphore.NewWeighted(cfg.Max)} }

// GaveUp is the error of a call that was held until its timeout, or was not held because too many others were.
type GaveUp struct {
	Err     error         // of the last attempt
	After   time.Duration // how long it was held
	Repeats int
	Full    bool // it was not held
}

func (e *GaveUp) Error() string { return e.Err.Error() + e.Note() }

// Unwrap gives the error of the last attempt.
func (e *GaveUp) Unwrap() error { return e.Err }

// Note says what the gateway did for the call.
func (e *GaveUp) Note() string {
	if e.Full {
		return "; it was not held until it can be served, as too many calls are held"
	}
	return fmt.Sprintf("; held for %s and repeated %d times", e.After.Round(time.Millisecond), e.Repeats)
}

type notNow struct {
	reason string
	err    error
}

func (e *notNow) Error() string { return e.err.Error() }
func (e *notNow) Unwrap() error { return e.err }

// Again marks an attempt's error: the same call may succeed later or at another replica.
func Again(reason string, err error) error { return &notNow{reason, err} }

// Do makes a call. It returns nil, the error of an attempt that is not retried, or GaveUp. A nil line makes the call once.
func (l *Line) Do(ctx context.Context, attempt func(context.Context) error) error {
	news := l.listen()
	err := l.try(ctx, attempt)
	why := new(notNow)
	switch {
	case !errors.As(err, &why):
		return err
	case l == nil || l.room.cfg.Timeout == 0 || ctx.Err() != nil:
		return why.err
	case !l.room.seats.TryAcquire(1):
		l.room.cfg.Recorder.HoldEnded(l.backend.Name, TurnedAway, 0)
		return &GaveUp{Err: why.err, Full: true}
	}
	defer l.room.seats.Release(1)
	outcome, began := Refused, time.Now() // a panic of the attempt included
	l.enter(ctx, why)
	defer func() { l.leave(ctx, outcome, time.Since(began)) }()
	outcome, err = l.keep(ctx, news, attempt, why)
	return err
}

// keep retries a call that has failed once.
func (l *Line) keep(ctx context.Context, news <-chan struct{}, attempt func(context.Context) error, why *notNow) (outcome string, err error) {
	began, over := time.Now(), time.NewTimer(l.room.cfg.Timeout)
	defer over.Stop()
	pauses := retries.New()
	for repeats := 0; ; repeats++ {
		woken, outcome := wait(ctx, news, over.C, pauses.Next())
		if outcome != "" {
			return outcome, &GaveUp{Err: why.err, After: time.Since(began), Repeats: repeats}
		}
		if woken {
			pauses.Reset()
		}
		l.room.cfg.Recorder.Repeat(l.backend.Name, why.reason)
		news = l.listen()
		err := l.try(ctx, attempt)
		switch {
		case err == nil:
			l.news.Notify()
			return Served, nil
		case !errors.As(err, &why):
			return Refused, err
		}
	}
}

// wait waits for a pause, or until an event. outcome says why the call is not retried any more, or is empty.
func wait(ctx context.Context, news <-chan struct{}, over <-chan time.Time, pause time.Duration) (woken bool, outcome string) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return woken, ""
		case <-news: // held calls spread out, and gRPC gets to know the new leader first
			woken, news = true, nil
			timer.Reset(retries.Pause(1))
		case <-over:
			return woken, GivenUp
		case <-ctx.Done():
			return woken, Left
		}
	}
}
