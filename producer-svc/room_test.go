package producer

import (
	"slices"
	"testing"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/fakes"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// genesisFor is the file of a genesis whose blocks have gas for n transfers.
func genesisFor(t *testing.T, n uint64) string {
	t.Helper()
	genesis, err := chain.DevGenesis()
	if err != nil {
		t.Fatal(err)
	}
	genesis.GasLimit = n * params.TxGas
	return genesisFile(t, genesis)
}

// executedIn are the hashes of what a block executed, and what its chunks hold in their place.
func (n *node) executedIn(t *testing.T, number uint64) (hashes []common.Hash, published blueprint.Blueprint) {
	t.Helper()
	answer, err := n.producer.GetBlueprint(t.Context(), &blueprintv1.GetBlueprintRequest{Number: number})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range answer.GetBlueprint().GetExecuted() {
		hashes = append(hashes, common.Hash(content.Keccak(one.GetRaw())))
	}
	if _, published, err = blueprint.Open(n.hello().GetSequencerKey(), answer.GetBlueprint().GetChunks()); err != nil {
		t.Fatal(err)
	}
	return hashes, published
}

// TestWhatWaitsForGasIsExecutedByTheLoopOverARestart: a content holds more than its block has gas for. Nobody sends anything
// more; the rest runs in the next blocks, on every replica, and is published with the block that executed it.
func TestWhatWaitsForGasIsExecutedByTheLoopOverARestart(t *testing.T) {
	n := startLeaderWith(t, func(c *Config) { c.Genesis = genesisFor(t, 3) })
	from, delayer := newWallet(t, 0), newWallet(t, 1)
	var all []common.Hash
	for range 5 {
		tx := delayer.transaction(t, nil)
		if _, err := n.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: raw(t, tx)}); err != nil {
			t.Fatal(err)
		}
		all = append(all, tx.Hash())
	}
	var plain [][]byte
	for range 3 {
		tx := from.transaction(t, nil)
		all, plain = append(all, tx.Hash()), append(plain, raw(t, tx))
	}
	n.order.Certify = func(c *preblockv1.Content) *preblockv1.Preblock {
		if c.GetNumber() == 1 { // an honest leader counts the gas
			if len(c.GetDelayedTransactionHashes()) != 3 {
				t.Errorf("%d delayed transactions were proposed, there is gas for 3", len(c.GetDelayedTransactionHashes()))
			}
			c.DelayedTransactionHashes, c.Transactions = nil, plain
			for _, hash := range all[:5] {
				c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, hash[:])
			}
		}
		hash := content.HashOf(c)
		return &preblockv1.Preblock{Content: c, ContentHash: hash[:]}
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	if state, _ := n.state(t, all[4]); state != "pending" {
		t.Errorf("a delayed transaction that waits is %s", state)
	}
	if left := n.disk.Store.DelayedCount(); left != 0 {
		t.Errorf("%d delayed transactions would be ordered again", left)
	}
	n.stop()
	n.cfg.TimeBetweenBlocks = "1h"
	n.start(t)
	fakes.WaitFor(t, func() bool { return headOf(n)() == 3 })
	n.executed(t, all...)
	for number, want := range map[uint64][]common.Hash{1: all[:3], 2: all[3:6], 3: all[6:]} {
		if got, _ := n.executedIn(t, number); !slices.Equal(got, want) {
			t.Errorf("block %d executed %v, want %v", number, got, want)
		}
	}
	if _, published := n.executedIn(t, 2); len(published.Delayed) != 2 || len(published.Transactions) != 1 {
		t.Errorf("published %+v", published)
	}
	o := beside(t, n, func(c *Config) { c.Genesis, c.Role, c.SequencerKeyFile = n.cfg.Genesis, roleObserver, "" })
	fakes.WaitFor(t, func() bool { return headOf(o)() == 3 })
	if o.ledger.Head() != n.ledger.Head() {
		t.Errorf("an observer from genesis is at %v, the leader at %v", o.ledger.Head(), n.ledger.Head())
	}
	if n.ledger.Waiting() || headOf(n)() != 3 {
		t.Errorf("something is left to do at block %d", headOf(n)())
	}
}
