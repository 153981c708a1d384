package devnet

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"blindseq/kit/config"
	"blindseq/kit/host/hosttest"
)

// TestAStartThatFailsLeavesNothingOpen fails each step of the devnet and of the services in it.
func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.RESTAddress, cfg.RPCAddress, cfg.BundlerAddress, cfg.Keyholders = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", 1
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		cfg := cfg
		cfg.DataDir = t.TempDir()
		d, err := start(ctx, cfg, io.Discard, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return d.Close, nil
	}, leftByGeth...)
	t.Logf("%q", steps)
}
