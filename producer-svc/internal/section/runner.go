package section

import (
	"context"
	"log/slog"
	"time"

	"blindseq/kit/logs"
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
func (r *Runner) Run(ctx context.Context, request Request) Outcome {
	state := Begin(request, r.maxDrift)
	session := new(Session)
	effect := state.Effect()
	for state.Phase != Ended {
		event := r.performer.Perform(ctx, session, effect)
		if locked, ok := event.(Locked); ok {
			ctx = logs.WithToken(ctx, locked.Token)
		}
		r.note(ctx, request, effect, event)
		state, effect = state.Step(event)
	}
	return state.Outcome
}

// note logs what an operator follows a block by.
func (r *Runner) note(ctx context.Context, request Request, effect Effect, event Event) {
	log := r.log.With("request_id", request.ID, "step", effect.Name())
	switch e := event.(type) {
	case Denied:
		log.InfoContext(ctx, "no block", "reason", e.Reason.String())
	case Delivered:
		log.InfoContext(ctx, "preblock received", "number", e.Preblock.GetContent().GetNumber(), "attempt", e.Preblock.GetAttempt(),
			"answers", e.Preblock.GetRequestId())
	case Applied:
		log.InfoContext(ctx, "block applied", "number", e.Block.Number, "transactions", e.Block.Transactions)
	case Appended:
		log.DebugContext(ctx, "block decided", "number", e.Record.GetNumber(), "answers", e.Record.GetRequestId())
	case Failure:
		log.WarnContext(ctx, "step failed and is repeated", "error", e.Err)
	case TimedOut:
		log.WarnContext(ctx, "no event in time, asking again")
	case Interrupt:
		log.InfoContext(ctx, "section interrupted", "error", e.Err)
	case Missing:
		log.ErrorContext(ctx, "production stalls", "error", e.Err)
	case Alarm:
		log.ErrorContext(ctx, "production halts", "error", e.Err)
	}
}
