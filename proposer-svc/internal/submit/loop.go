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

// Lead works under a lease until ctx ends (nil), or until Redis says that the lease is another's (queue.ErrNotActive).
func (l *Loop) Lead(ctx context.Context, token uint64) error {
	l.Observer.Leading(true)
	defer l.Observer.Leading(false)
	l.Log.InfoContext(ctx, "active", "lease", token)
	l.Queue.Refresh()
	t := &term{Loop: l, state: Begin(token, l.cfg.AttemptTimeout)}
	failures := 0
	for ctx.Err() == nil {
		doing, err := t.step(ctx)
		switch {
		case err == nil && t.state.phase == looking:
			failures = 0
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, queue.ErrNotActive):
			return err
		default:
			l.failed(ctx, doing, err, failures)
			failures++
			l.backoff(ctx, failures)
		}
	}
	return nil
}

// term is one time of being the active one.
type term struct {
	*Loop
	state State
	began time.Time // of the request's turn, or of the deadline's passing
}

// step performs one effect and takes its event. It says what was being done.
func (t *term) step(ctx context.Context) (doing string, err error) {
	doing = t.state.Doing()
	event, err := t.perform(about(ctx, t.state.request), t.state.Effect())
	if err != nil {
		event = Failed{}
	}
	state, wrong := t.state.Step(event)
	t.state = state
	return doing, errors.Join(err, wrong)
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

// about puts a request into the context: its fields on every log line, its trace on every call.
func about(ctx context.Context, r queue.Request) context.Context {
	if r.ID == "" {
		return ctx
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": r.Trace})
	return logs.WithToken(logs.With(ctx, slog.String("request_id", r.ID)), r.Token)
}

// numbered adds which attempt it is.
func numbered(ctx context.Context, r queue.Request) context.Context {
	return logs.With(ctx, slog.Uint64("number", r.Number), slog.Uint64("attempt", uint64(r.Attempt)))
}
