package section

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// Records is the blueprint log, as it is read.
type Records interface {
	Last() uint64
	Get(number uint64) (*blueprintv1.LogRecord, error)
}

// Replay applies what the log has decided and the chain has lost or never seen. It is done before any section. A chain
// that is ahead of its log is refused: the log has been cut or exchanged, and its blocks could be decided anew.
func Replay(ctx context.Context, records Records, chain Chain, log *slog.Logger) error {
	head, last := chain.Head().Number, records.Last()
	if head > last {
		return fmt.Errorf("replay blueprint log: the chain is at block %d, the log ends at %d", head, last)
	}
	if head == last {
		return nil
	}
	log.InfoContext(ctx, "replaying blueprint log", "from", head+1, "to", last)
	began, told := time.Now(), time.Now()
	for n := head + 1; n <= last; n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("replay blueprint log: stopped at %d of %d: %w", n, last, err)
		}
		rec, err := records.Get(n)
		if err != nil {
			return fmt.Errorf("replay blueprint log: %w", err)
		}
		// gofail: var blueprintReplaying struct{}
		if _, err := chain.Apply(ctx, rec); err != nil {
			return fmt.Errorf("replay blueprint %d: %w", n, err)
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			log.InfoContext(ctx, "replaying blueprint log", "number", n, "to", last)
		}
	}
	log.InfoContext(ctx, "replayed blueprint log", "blocks", last-head, "took", time.Since(began))
	return nil
}
