package monitor

import (
	"context"
	"log/slog"
	"testing"

	"blindseq/kit/config"
	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		var cfg Config
		if err := config.Defaults(&cfg); err != nil {
			return nil, err
		}
		cfg.GRPCAddress, cfg.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
		s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	})
	t.Logf("%q", steps)
}
