package chain_test

import (
	"log/slog"
	"testing"

	"blindseq/producer-svc/internal/chain"
)

func TestAnUpgradeIsDueAtTheFirstTimestampOfAFork(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	config, fork := *genesis.Config, genesis.Timestamp+100
	config.OsakaTime = &fork
	config.BPO1Time, config.BPO2Time, config.BPO3Time, config.BPO4Time = nil, nil, nil, nil
	genesis.Config = &config
	c, err := chain.Open(chain.Config{Dir: t.TempDir(), Genesis: genesis, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer c.Close()
	for at, want := range map[uint64]bool{genesis.Timestamp: false, fork - 1: false, fork: true} {
		if got := c.UpgradeDue(at); got != want {
			t.Errorf("at %d: %v", at, got)
		}
	}
	_, hash, _ := c.Head()
	_, err = c.Apply(ctx, chain.Block{Number: 1, ParentHash: hash, Timestamp: fork})
	must(t, err)
	if c.UpgradeDue(fork) {
		t.Error("due again after the first block under the new rules")
	}
}
