package sequencer

import (
	"context"
	"log/slog"
	"testing"

	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	n := newNetwork(t, 4, 3)
	for name, cfg := range map[string]Config{"with keyholders": n.config(t), "without": testConfig(t, t.TempDir())} {
		steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
			s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return nil, err
			}
			return s.Close, nil
		})
		t.Logf("%s: %q", name, steps)
	}
}
