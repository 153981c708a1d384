package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Replay applies what the log has decided and the chain has lost or never seen, and settles the head once more, because the
// process may have ended between the two. It runs before anything is appended. A chain that is ahead of its log is refused:
// the log was cut or replaced, and its blocks could be decided a second time.
//
// chain.ErrExecution ends the replay for good: the head stays before that block, which no restart will execute. Production must
// halt; what the chain has can be served. After any other error nothing of it may be.
func (e *Engine) Replay(ctx context.Context, log *slog.Logger) error {
	head, last := e.Chain.Head().Number, e.Log.Last()
	if head > last {
		return fmt.Errorf("replay blueprint log: the chain is at block %d, the log ends at %d", head, last)
	}
	if head > 0 {
		if err := e.replay(ctx, head); err != nil {
			return fmt.Errorf("check the head against the log: %w", err)
		}
	}
	if head == last {
		return nil
	}
	log.InfoContext(ctx, "replaying blueprint log", "from", head+1, "to", last)
	began, reported := time.Now(), time.Now()
	for n := head + 1; n <= last; n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("replay blueprint log: stopped at %d of %d: %w", n, last, err)
		}
		if err := e.replay(ctx, n); err != nil {
			return err
		}
		if time.Since(reported) > 5*time.Second {
			reported = time.Now()
			log.InfoContext(ctx, "replaying blueprint log", "number", n, "to", last)
		}
	}
	log.InfoContext(ctx, "replayed blueprint log", "blocks", last-head, "took", time.Since(began))
	return nil
}

func (e *Engine) replay(ctx context.Context, number uint64) error {
	rec, err := e.Log.Get(number)
	if err != nil {
		return fmt.Errorf("replay blueprint log: %w", err)
	}
	// gofail: var blueprintReplaying struct{}
	if _, err := e.Apply(ctx, rec); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
