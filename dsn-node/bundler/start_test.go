package bundler

import (
	"context"
	"log/slog"
	"testing"

	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	w := newWorld(t)
	w.stop()
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		s, err := New(ctx, w.cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	})
	t.Logf("%q", steps)
}
