package proposer

import (
	"context"
	"log/slog"
	"testing"

	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		cfg := testConfig("redis://127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1")
		s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	})
	t.Logf("%q", steps)
}
