package submit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"blindseq/kit/logs"
	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/term"

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
	t := &lead{Loop: l}
	t.state, t.effects = term.Begin(token, l.cfg.AttemptTimeout)
	failures := l.cfg.Retry.New()
	for ctx.Err() == nil {
		doing, err := t.step(ctx)
		switch {
		case err == nil && t.looks():
			failures.Reset()
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, queue.ErrNotActive):
			return err
		default:
			l.Observer.Failed(doing)
			l.Log.Log(ctx, failures.Level(), "step failed, retrying", "step", doing, "failures", failures.Failures()+1, "error", err)
			_ = failures.Wait(ctx) // the loop sees that ctx ended
			l.Queue.Refresh()
		}
	}
	return nil
}

// lead is a term under way.
type lead struct {
	*Loop
	state   term.State
	effects []term.Effect // to be performed next
	began   time.Time     // of the request's turn, or of the deadline's passing
}

// looks says whether the term has come back to looking at the FIFO.
func (t *lead) looks() bool {
	_, ok := t.effects[0].(term.Look)
	return ok
}

// step performs one effect and takes its event. It says what was being done.
func (t *lead) step(ctx context.Context) (doing string, err error) {
	doing = t.state.Doing()
	event, err := t.perform(about(ctx, t.state.Request()), t.effects[0])
	if err != nil {
		event = term.Failed{}
	}
	var wrong error
	t.state, t.effects, wrong = term.Next(t.state, event)
	return doing, errors.Join(err, wrong)
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
