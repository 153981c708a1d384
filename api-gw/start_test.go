package apigw

import (
	"context"
	"log/slog"
	"testing"

	"blindseq/api-gw/internal/fakes"
	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	cfg := cfgFor(t, "redis://127.0.0.1:1", fakes.Start(t))
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	})
	t.Logf("%q", steps)
}
