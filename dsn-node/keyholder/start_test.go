package keyholder

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/kit/config"
	"blindseq/kit/host/hosttest"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	dir := t.TempDir()
	files, err := keygen.Run(keygen.Config{Out: filepath.Join(dir, "keys"), Keyholders: 4, Threshold: 3, ChainID: 1337, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.GRPCAddress, cfg.HTTPAddress, cfg.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "data")
	cfg.CommitteeFile, cfg.ShareFile, cfg.IdentityFile = files.Committee, files.Shares[0], files.Identities[0]
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	})
	t.Logf("%q", steps)
}
