package apigw

import (
	"context"
	"time"
)

// productionEvery is how often it is asked whether blocks can be made.
const productionEvery = 2 * time.Second

// watchProduction notes at /readyz why no block can be made. It makes no gateway unready: all see the same, so that a
// Service would be left with none, and reads, transactions and the status itself go on.
func (s *Service) watchProduction(standstill func(context.Context) string) func(context.Context) error {
	return func(ctx context.Context) error {
		ticker := time.NewTicker(productionEvery)
		defer ticker.Stop()
		reported := ""
		for {
			reason := standstill(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if reason != reported {
				reported = reason
				s.Health.Note("production", reason)
				s.Log.InfoContext(ctx, "what keeps blocks from being made has changed", "reason", reason)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	}
}
