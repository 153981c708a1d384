package sections

import (
	"context"
	"log/slog"
	"time"

	"blindseq/kit/logs"
	"blindseq/producer-svc/section"
)

// Runner runs sections: it feeds the machine with what its effects come to.
type Runner struct {
	performer Performer
	maxDrift  time.Duration
	log       *slog.Logger
}

// NewRunner returns a Runner. maxDrift bounds how far ahead of the clock a requested timestamp may be.
func NewRunner(p Performer, maxDrift time.Duration, log *slog.Logger) *Runner {
	return &Runner{performer: p, maxDrift: maxDrift, log: log}
}

// Run runs one section to its end. When ctx ends it stops before the next block is decided; one that is decided is
// applied first. Several may run at once: the lock orders them.
func (r *Runner) Run(ctx context.Context, request section.Request) section.Result {
	session := new(Session)
	state, effects := section.Begin(request, r.maxDrift)
	for len(effects) > 0 {
		event := r.performer.Perform(ctx, session, effects[0])
		if locked, ok := event.(section.Locked); ok {
			ctx = logs.WithToken(ctx, locked.Token)
		}
		r.note(ctx, request, effects[0], event)
		var err error
		if state, effects, err = section.Next(state, event); err != nil {
			r.log.ErrorContext(ctx, "production halts", "error", err)
			if session.held != nil {
				r.performer.Perform(ctx, session, section.Release{})
			}
			return section.Result{Kind: section.Halted, Err: err}
		}
	}
	return state.Result
}

// note logs what an operator follows a block by.
func (r *Runner) note(ctx context.Context, request section.Request, effect section.Effect, event section.Event) {
	log := r.log.With("request_id", request.ID, "step", effect.Name())
	switch e := event.(type) {
	case section.Denied:
		log.InfoContext(ctx, "no block", "reason", e.Reason.String())
	case section.Delivered:
		log.InfoContext(ctx, "preblock received", "number", e.Preblock.GetContent().GetNumber(), "attempt", e.Preblock.GetAttempt(),
			"answers", e.Preblock.GetRequestId())
	case section.Applied:
		log.InfoContext(ctx, "block applied", "number", e.Block.Number, "transactions", e.Block.Transactions)
	case section.Appended:
		log.DebugContext(ctx, "block decided", "number", e.Record.GetNumber(), "answers", e.Record.GetRequestId())
	case section.Failure:
		log.WarnContext(ctx, "step failed and is repeated", "error", e.Err)
	case section.TimedOut:
		log.WarnContext(ctx, "no event in time, asking again")
	case section.Interrupt:
		log.InfoContext(ctx, "section interrupted", "error", e.Err)
	case section.Missing:
		log.ErrorContext(ctx, "production stalls", "error", e.Err)
	case section.Alarm:
		log.ErrorContext(ctx, "production halts", "error", e.Err)
	}
}
