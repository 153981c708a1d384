package chain_test

import (
	"log/slog"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
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

// TestAnUpgradeBlockExecutesItsContentUnderTheNewRules: what was sealed runs at its place under them, or ends. An honest leader
// proposes an empty content there, but a block must not depend on that.
func TestAnUpgradeBlockExecutesItsContentUnderTheNewRules(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	config, fork := *genesis.Config, genesis.Timestamp+100
	config.PragueTime, config.OsakaTime = &fork, &fork
	config.BPO1Time, config.BPO2Time, config.BPO3Time, config.BPO4Time = nil, nil, nil, nil
	genesis.Config = &config
	// Prague asks for more gas for bytes that are not executed, and knows a new type of transactions.
	long := func(w *wallet) []byte {
		const bytes = 1000
		return w.call(t, &nobody, params.TxGas+bytes*params.TxDataNonZeroGasEIP2028+1000, nil, []byte(strings.Repeat("x", bytes)))
	}
	delegates := func(w *wallet) []byte {
		return w.sign(t, &types.SetCodeTx{ChainID: uint256Of(chainID.Uint64()), To: nobody, Gas: 100_000, GasTipCap: uint256Of(1),
			GasFeeCap: uint256Of(2 * params.GWei), AuthList: []types.SetCodeAuthorization{{ChainID: *uint256Of(chainID.Uint64()), Address: nobody}}})
	}
	for name, x := range map[string]struct {
		after           uint64
		long, delegates string // reasons to end; empty to run
	}{
		"before": {fork - 1, "", "transaction type not supported"},
		"at":     {fork, "insufficient gas for floor data gas cost", ""},
	} {
		first, second := open(t, t.TempDir(), withGenesis(genesis)), open(t, t.TempDir(), withGenesis(genesis))
		w := wallets(t)
		b := next(first, w[3].transfer(t, nobody, 1))
		b.Timestamp = x.after
		raws := [][]byte{long(w[1]), delegates(w[2])}
		b.Sealed = []chain.Sealed{sealed(raws[0]), sealed(raws[1])}
		equal(t, name+": due", first.UpgradeDue(b.Timestamp), x.after == fork)
		result := apply(t, first, b)
		equal(t, name+": the same for all", apply(t, second, b).Hash, result.Hash)
		reasons := map[string]string{}
		for _, s := range result.Skipped {
			reasons[s.Hash.Hex()] = s.Reason
		}
		for i, want := range []string{x.long, x.delegates} {
			got, ended := reasons[chain.HashTransaction(raws[i]).Hex()]
			if ended != (want != "") || !strings.Contains(got, want) {
				t.Errorf("%s the fork: transaction %d ended %v: %q, want %q", name, i, ended, got, want)
			}
		}
		equal(t, name+": executed", len(result.Included), 2)
		equal(t, name+": then the plain one", result.Included[1], chain.HashTransaction(b.Transactions[0]))
		equal(t, name+": wait", len(result.Waiting), 0)
	}
}
