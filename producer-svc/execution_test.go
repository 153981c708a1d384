package producer

import (
	"math/big"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/fakes"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/core/types"
)

// unexecutableGenesis is the file of a genesis on which blocks that call fakes.Trap cannot be executed.
func unexecutableGenesis(t *testing.T) string {
	t.Helper()
	genesis, err := fakes.UnexecutableGenesis()
	if err != nil {
		t.Fatal(err)
	}
	return genesisFile(t, genesis)
}

// trap is a transaction that no block can hold.
func (w *wallet) trap(t *testing.T) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(w.key, types.LatestSignerForChainID(big.NewInt(chain.DevChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chain.DevChainID), Nonce: w.nonce, To: &fakes.Trap, Gas: 100_000,
		GasFeeCap: big.NewInt(100e9), GasTipCap: big.NewInt(1e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.nonce++
	return tx
}

// TestABlockThatCannotBeExecutedHaltsProductionAndEndsNoProcess: every replica meets it, and at every start. One that ended with
// it would start, replay and end for ever. The leader meets it in a section, the standby as it follows, and both as they replay.
func TestABlockThatCannotBeExecutedHaltsProductionAndEndsNoProcess(t *testing.T) {
	genesis := unexecutableGenesis(t)
	a := startLeaderWith(t, func(c *Config) { c.Genesis = genesis })
	b := beside(t, a, func(c *Config) { c.Genesis = genesis })
	from := newWallet(t, 0)
	if err := a.eth.SendTransaction(t.Context(), from.transaction(t, nil)); err != nil {
		t.Fatal(err)
	}
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	fakes.WaitFor(t, func() bool { return headOf(b)() == 1 })
	if err := a.eth.SendTransaction(t.Context(), from.trap(t)); err != nil {
		t.Fatal(err)
	}
	if answer, err := a.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{}); err == nil {
		t.Fatalf("got %v", answer)
	}
	for who, n := range map[string]*node{"the leader": a, "the standby": b} {
		n.refuses(t, who)
		n.stop() // fails the test if the process has ended with an error
		n.halts, n.follows = true, true
		n.start(t)
		n.refuses(t, who+", started again")
		if n.follow.May() || n.candidate.HoldsLease() {
			t.Errorf("%s leads, or may", who)
		}
		n.stop()
	}
}

// refuses waits until production halts for a block after the first that cannot be executed, and reads the head.
func (n *node) refuses(t *testing.T, who string) {
	t.Helper()
	fakes.WaitFor(t, func() bool { return strings.Contains(n.guard.Reason(), chain.ErrExecution.Error()) })
	fakes.WaitFor(t, func() bool { head, err := n.eth.BlockNumber(t.Context()); return err == nil && head == 1 })
	if live, last := n.Health.Live(), n.disk.Log.Last(); len(live) > 0 || last != 2 || n.Health.Ready()["production"] == "" {
		t.Errorf("%s: live %v, ready %v, the log ends at %d", who, live, n.Health.Ready(), last)
	}
}
