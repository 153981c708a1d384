// Package hold keeps calls that cannot be served now, and makes them again until they are served: while another producer
// takes the lead, a service is restarted or Redis is away, the caller waits instead of being refused.
//
// It guarantees: a call is made again only when its attempt failed with Again, so for who was asked and when, never for
// what; it is kept for at most Config.Timeout, and never longer than its own context lasts; at most Config.Max are kept
// at once, and one more is refused as if nothing were kept. Who is kept tries again when somebody else is to be asked, when another kept call of
// the same line got through, and by itself after a pause that grows to half a second, since not all that ends is told.
//
// It asks of callers that an attempt is harmless to repeat, also when its answer was lost and it was served.
package hold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/semaphore"
)

// Why a call is made again, the label of its counter.
const (
	NoLeader    = "no_leader"   // nobody is known to lead
	Unavailable = "unavailable" // who was asked does not serve it now, or the connection to it broke
	Succeeded   = "succeeded"   // another leads than the one that was asked and has not answered
)

// What became of a kept call, the label of its histogram.
const (
	Served     = "served"
	Refused    = "refused"     // it failed in another way in the end
	GivenUp    = "given_up"    // Timeout was over
	Left       = "left"        // its caller went, its own deadline was over, or the gateway stops
	TurnedAway = "turned_away" // it was not kept: Max others were
)

const (
	firstPause   = 20 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// Recorder takes the figures of kept calls.
type Recorder interface {
	Held(line string, change int)
	Repeat(line, reason string)
	HoldEnded(line, outcome string, took time.Duration)
}

// Config says what a Room keeps.
type Config struct {
	Timeout  time.Duration // how long a call is kept, from its first failure on; 0: nothing is kept
	Max      int64         // how many are kept at once
	Recorder Recorder
	Log      *slog.Logger
}

// Room is where calls are kept.
type Room struct {
	cfg   Config
	seats *semaphore.Weighted
}

// New returns a room.
func New(cfg Config) *Room { return &Room{cfg: cfg, seats: semaphore.NewWeighted(cfg.Max)} }

// GaveUp is the end of a call that was kept in vain, or not kept because of too many others.
type GaveUp struct {
	Err     error         // of the last attempt
	After   time.Duration // how long it was kept
	Repeats int
	Full    bool // it was not kept
}

func (e *GaveUp) Error() string { return e.Err.Error() + e.Note() }

// Unwrap gives the error of the last attempt.
func (e *GaveUp) Unwrap() error { return e.Err }

// Note says in words what was done for the call.
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

// Again says of an attempt's error that the same call may be served at another time or by somebody else.
func Again(reason string, err error) error { return &notNow{reason, err} }

// Do makes a call. It returns nil, the error of an attempt that is not to be repeated, or GaveUp. A nil line makes the call
// once.
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
		l.room.cfg.Recorder.HoldEnded(l.up.Name, TurnedAway, 0)
		return &GaveUp{Err: why.err, Full: true}
	}
	defer l.room.seats.Release(1)
	outcome, began := Refused, time.Now() // a panic of the attempt included
	l.enter(ctx, why)
	defer func() { l.leave(ctx, outcome, time.Since(began)) }()
	outcome, err = l.keep(ctx, news, attempt, why)
	return err
}

// keep repeats a call that has failed once.
func (l *Line) keep(ctx context.Context, news <-chan struct{}, attempt func(context.Context) error, why *notNow) (outcome string, err error) {
	began, over := time.Now(), time.NewTimer(l.room.cfg.Timeout)
	defer over.Stop()
	pause := firstPause
	for repeats := 0; ; repeats++ {
		woken, outcome := wait(ctx, news, over.C, pause)
		if outcome != "" {
			return outcome, &GaveUp{Err: why.err, After: time.Since(began), Repeats: repeats}
		}
		if pause = min(2*pause, longestPause); woken {
			pause = firstPause
		}
		l.room.cfg.Recorder.Repeat(l.up.Name, why.reason)
		news = l.listen()
		err := l.try(ctx, attempt)
		switch {
		case err == nil:
			l.wake()
			return Served, nil
		case !errors.As(err, &why):
			return Refused, err
		}
	}
}

// wait lets a pause go by, give or take half of it, or less when there is news. outcome says why there is no use in going on.
func wait(ctx context.Context, news <-chan struct{}, over <-chan time.Time, pause time.Duration) (woken bool, outcome string) {
	timer := time.NewTimer(pause/2 + rand.N(pause))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return woken, ""
		case <-news: // not all at the same moment, and not before gRPC knows of a new leader too
			woken, news = true, nil
			timer.Reset(firstPause/2 + rand.N(firstPause))
		case <-over:
			return woken, GivenUp
		case <-ctx.Done():
			return woken, Left
		}
	}
}
