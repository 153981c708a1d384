// Package loop is the worker that makes blocks without a request: one at once when there are transactions, and an empty one
// when the last block is older than the time between blocks, as its Pacer says. Otherwise it starts no section, so an idle chain costs
// nothing between two empty blocks.
package loop

import (
	"context"
	"time"

	"blindseq/kit/requestid"
)

const (
	// longestSleep is how long the loop sleeps at most before it looks again.
	longestSleep = 500 * time.Millisecond
	// shortSleep is before an interrupted section is tried again; getting the lock waits for itself.
	shortSleep = 50 * time.Millisecond
	// stuckSleep is between tries while a person has to do something first.
	stuckSleep = 5 * time.Second
)

// Verdict is what one try came to.
type Verdict uint8

// The verdicts.
const (
	Made    Verdict = iota // a block was made
	Nothing                // the request ended without one
	Again                  // interrupted: try again with the same id
	Stuck                  // no use trying soon
)

// Deps is what the loop looks at and what it does.
type Deps struct {
	// Pacer says when blocks are made.
	Pacer *Pacer
	// Age is how old the last block is, on this process's monotonic clock.
	Age func() time.Duration
	// Ready says whether a proposal would hold something now. It is cheap.
	Ready func() bool
	// Changed receives when a transaction arrived, or something else that may make Ready true. It holds one signal.
	Changed <-chan struct{}
	// Nudged is another such channel, for what operators do. It may be nil.
	Nudged <-chan struct{}
	// Try runs one section.
	Try func(ctx context.Context, requestID string, force bool) Verdict
}

// Loop is the worker.
type Loop struct{ Deps }

// New returns a loop to Run.
func New(d Deps) *Loop { return &Loop{Deps: d} }

// Run makes blocks until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	id := requestid.New()
	for ctx.Err() == nil {
		pace := l.Pacer.Pace()
		force := pace.Between > 0 && l.Age() >= pace.Between
		if !force && !(pace.Transactions && l.Ready()) {
			l.sleep(ctx, l.idle(pace))
			continue
		}
		verdict := l.Try(ctx, id, force)
		if verdict != Again {
			id = requestid.New()
		}
		l.rest(ctx, verdict)
	}
	return nil
}

// idle is how long there is nothing to do.
func (l *Loop) idle(pace Pace) time.Duration {
	if pace.Between == 0 {
		return longestSleep
	}
	return min(longestSleep, pace.Between-l.Age())
}

func (l *Loop) rest(ctx context.Context, v Verdict) {
	switch v {
	case Nothing:
		l.sleep(ctx, longestSleep)
	case Again:
		l.sleep(ctx, shortSleep)
	case Stuck:
		l.sleep(ctx, stuckSleep)
	}
}

// sleep ends early for a change. A change that came while a section ran ends it at once: the section may have missed it.
func (l *Loop) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.Changed:
	case <-l.Nudged:
	case <-l.Pacer.changed.C():
	case <-ctx.Done():
	}
}
