package producer

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"blindseq/kit/host/hosttest"
	"blindseq/producer-svc/internal/fakes"

	"go.uber.org/goleak"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer order.Stop()
	cfg := testConfigAt(t, "redis://127.0.0.1:1", order)
	cfg.Rollup.RollupNode = "http://127.0.0.1:1"
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		s, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return s.Close, nil
	}, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain")) // of geth's list of peers: ends a second later
	t.Logf("%q", steps)
}

// TestATakenPortOrAnUnusableTargetLeavesNoListener: these two left gRPC and more listening.
func TestATakenPortOrAnUnusableTargetLeavesNoListener(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer order.Stop()
	for name, spoil := range map[string]func(*Config){
		"json-rpc": func(c *Config) { c.RPCAddress = order.Addr },
		"proposer": func(c *Config) { c.Proposer = "no-scheme:///\x7f" },
	} {
		cfg := testConfigAt(t, "redis://127.0.0.1:1", order)
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg.GRPCAddress = free.Addr().String()
		free.Close()
		spoil(&cfg)
		if _, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "close") {
			t.Errorf("%s: got %v", name, err)
		}
		again, err := net.Listen("tcp", cfg.GRPCAddress)
		if err != nil {
			t.Errorf("%s: the port is not free again: %v", name, err)
			continue
		}
		again.Close()
	}
}
