package submit

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"blindseq/kit/logs"
	"blindseq/proposer-svc/internal/queue"

	"go.opentelemetry.io/otel/propagation"
)

// Deps is what the loop works with.
type Deps struct {
	Queue    Queue
	Producer Producer
	DSN      DSN
	Monitor  Monitor
	Observer Observer
	Log      *slog.Logger
}

// Loop serves the requests of the FIFO while this replica is the active one.
type Loop struct {
	Deps
	cfg Config
}

// New returns a loop; Lead runs it.
func New(d Deps, cfg Config) *Loop { return &Loop{Deps: d, cfg: cfg} }

// term is one time of being the active one.
type term struct {
	*Loop
	by queue.By
	// What is watched: the attempt submitted, and when to ask the DSN for it. An in-flight request that is not the one
	// watched was submitted, or not, by an earlier active proposer.
	watched  attempt
	deadline time.Time
}

type attempt struct {
	id      string
	number  uint64
	attempt uint32
}

func attemptOf(r queue.Request) attempt { return attempt{r.ID, r.Number, r.Attempt} }

// Lead works under a lease until ctx ends (nil), or until Redis says that the lease is another's (queue.ErrNotActive).
func (l *Loop) Lead(ctx context.Context, token uint64) error {
	l.Observer.Leading(true)
	defer l.Observer.Leading(false)
	l.Log.InfoContext(ctx, "active", "lease", token)
	l.Queue.Refresh()
	t := &term{Loop: l, by: queue.By{Token: token}}
	failures := 0
	for ctx.Err() == nil {
		step, err := t.step(ctx)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() != nil:
		case errors.Is(err, queue.ErrNotActive):
			return err
		default:
			l.failed(ctx, step, err, failures)
			failures++
			l.backoff(ctx, failures)
		}
	}
	return nil
}

// failed logs the first of a row of failures for people; the rest are counted.
func (l *Loop) failed(ctx context.Context, step string, err error, before int) {
	l.Observer.Failed(step)
	level := slog.LevelWarn
	if before > 0 {
		level = slog.LevelDebug
	}
	l.Log.Log(ctx, level, "step failed, trying again", "step", step, "failures", before+1, "error", err)
}

// backoff waits longer after each failure, by a random part so that replicas do not come in step.
func (l *Loop) backoff(ctx context.Context, failures int) {
	wait := min(l.cfg.BackoffMax, l.cfg.BackoffMin<<min(failures-1, 16))
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	l.Queue.Refresh()
}

// step does the next thing there is to do, and names it.
func (t *term) step(ctx context.Context) (string, error) {
	v, err := t.Queue.View(ctx)
	switch {
	case err != nil:
		return "read queue", err
	case v.Current == nil && v.Head == nil:
		return "idle", t.await(ctx, nil)
	case v.Current == nil:
		return "propose", t.propose(about(ctx, *v.Head), *v.Head)
	case v.Current.State == queue.Ending:
		return "announce", t.announce(about(ctx, *v.Current), *v.Current)
	}
	return "follow", t.follow(about(ctx, *v.Current), *v.Current)
}

// await sleeps until the FIFO may have changed or the deadline has passed.
func (t *term) await(ctx context.Context, deadline <-chan time.Time) error {
	select {
	case <-t.Queue.Wake():
	case <-deadline:
		t.Queue.Refresh() // should Redis have been wiped, nobody woke us
	case <-ctx.Done():
	}
	return nil
}

// about puts a request into the context: its fields on every log line, its trace on every call.
func about(ctx context.Context, r queue.Request) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": r.Trace})
	return logs.WithToken(logs.With(ctx, slog.String("request_id", r.ID)), r.Token)
}

// numbered adds which attempt it is.
func numbered(ctx context.Context, r queue.Request) context.Context {
	return logs.With(ctx, slog.Uint64("number", r.Number), slog.Uint64("attempt", uint64(r.Attempt)))
}
