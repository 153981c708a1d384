package devnet

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	"blindseq/kit/host"
	monitor "blindseq/monitor-svc"
	producer "blindseq/producer-svc"
	proposer "blindseq/proposer-svc"
)

// TestNoServiceServesOtherMachinesInPlainTextUnasked: whoever reached it could call everything. It used to start without a word.
func TestNoServiceServesOtherMachinesInPlainTextUnasked(t *testing.T) {
	const open = "0.0.0.0:0"
	keys, err := keygen.Run(keygen.Config{Out: filepath.Join(t.TempDir(), "keys"), Keyholders: 4, ChainID: devChainID, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func() error{
		"monitor-svc":  opened(t, monitor.New, func(c *monitor.Config) { c.GRPCAddress = open }),
		"proposer-svc": opened(t, proposer.New, func(c *proposer.Config) { c.GRPCAddress, c.Advertise = open, "127.0.0.1" }),
		"producer-svc": opened(t, producer.New, func(c *producer.Config) { c.GRPCAddress, c.DataDir, c.DevGenesis = open, t.TempDir(), true }),
		"JSON-RPC of producer-svc": opened(t, producer.New, func(c *producer.Config) {
			c.RPCAddress, c.DataDir, c.DevGenesis = open, t.TempDir(), true
		}),
		"sequencer": opened(t, sequencer.New, func(c *sequencer.Config) { c.GRPCAddress, c.DataDir = open, t.TempDir() }),
		"the origin's protocol of sequencer": opened(t, sequencer.New, func(c *sequencer.Config) {
			c.RPCAddress, c.DataDir = open, t.TempDir()
		}),
		"keyholder": opened(t, keyholder.New, func(c *keyholder.Config) {
			c.GRPCAddress, c.DataDir = open, t.TempDir()
			c.CommitteeFile, c.ShareFile, c.IdentityFile = keys.Committee, keys.Shares[0], keys.Identities[0]
		}),
	} {
		if err := start(); !errors.Is(err, host.ErrPlainText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// opened starts a service with its defaults, on free ports, and what change sets.
func opened[C any, P part, S interface {
	*C
	config.Service
}](t *testing.T, start func(context.Context, C, *slog.Logger) (P, error), change func(S)) func() error {
	return func() error {
		cfg := S(new(C))
		if err := config.Defaults(cfg); err != nil {
			return err
		}
		common := cfg.Base()
		common.GRPCAddress, common.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
		change(cfg)
		p, err := start(t.Context(), *cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			return errors.Join(errors.New("it started"), p.Close())
		}
		return err
	}
}
