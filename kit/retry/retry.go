// Package retry paces repeated attempts: each pause is twice the one before, up to a bound, and half of it is random, so
// that replicas that failed together do not come back together.
//
// It guarantees that a pause ends at once when its context does. It asks callers to Reset after a success.
package retry

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy is how long the pauses between attempts are.
type Policy struct {
	First   time.Duration // mean of the first pause
	Longest time.Duration // bound of the mean
}

// New returns a Backoff for one sequence of attempts.
func (p Policy) New() *Backoff {
	e := &backoff.ExponentialBackOff{
		InitialInterval: p.First, MaxInterval: p.Longest, Multiplier: 2, RandomizationFactor: 0.5,
	}
	e.Reset()
	return &Backoff{pauses: e}
}

// Pause is the pause after so many failures in a row, at least 1. It is for callers that keep the count themselves, such as a
// state machine.
func (p Policy) Pause(failures int) time.Duration {
	b := p.New()
	for range min(failures, 32) - 1 {
		b.pauses.NextBackOff()
	}
	return b.pauses.NextBackOff()
}

// Backoff counts the failures in a row. One goroutine uses it.
type Backoff struct {
	pauses   *backoff.ExponentialBackOff
	failures int
}

// Next counts a failure and returns the pause before the next attempt.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return b.pauses.NextBackOff()
}

// Wait counts a failure and waits before the next attempt. It returns the cause of ctx when that ends first.
func (b *Backoff) Wait(ctx context.Context) error { return Sleep(ctx, b.Next()) }

// Reset forgets the failures: an attempt succeeded.
func (b *Backoff) Reset() {
	b.failures = 0
	b.pauses.Reset()
}

// Failures is how many attempts failed in a row.
func (b *Backoff) Failures() int { return b.failures }

// Level is that of the log line about the next failure: the first of a row is for people, the rest are counted.
func (b *Backoff) Level() slog.Level {
	if b.failures > 0 {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Sleep waits for d. It returns the cause of ctx when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
