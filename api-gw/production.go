package apigw

import (
	"context"
	"time"

	"blindseq/kit/retry"
)

// productionEvery is the pause between two checks whether blocks can be made.
const productionEvery = 2 * time.Second

// watchProduction reports at /readyz why no block can be made. It makes no gateway unready: all of them see the same, so
// their Service would have no endpoint left, and reads, transactions and the status itself still work.
func (s *Service) watchProduction(standstill func(context.Context) string) func(context.Context) error {
	return func(ctx context.Context) error {
		reported := ""
		for {
			reason := standstill(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if reason != reported {
				reported = reason
				s.Health.Note("production", reason)
				s.Log.InfoContext(ctx, "reason for no blocks changed", "reason", reason)
			}
			if retry.Sleep(ctx, productionEvery) != nil {
				return nil
			}
		}
	}
}
