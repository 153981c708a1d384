package chain

import (
	"log/slog"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// blockOf makes a block with a number of transactions, which are all the same one.
func blockOf(n int) (*types.Block, *types.Body) {
	body := &types.Body{Transactions: make([]*types.Transaction, n)}
	tx := types.NewTx(&types.LegacyTx{})
	for i := range body.Transactions {
		body.Transactions[i] = tx
	}
	return types.NewBlockWithHeader(&types.Header{}).WithBody(*body), body
}

func TestGethsCachesAreBoundedByWhatTheyHold(t *testing.T) {
	c, err := Open(Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.caches.stop() // trim is called here
	block, body := blockOf(cachedTransactions / 2)
	sizes := func() [4]int {
		return [4]int{c.caches.blocks.Len(), c.caches.bodies.Len(), c.caches.encoded.Len(), c.caches.receipts.Len()}
	}
	add := func(n byte) {
		hash := common.Hash{n}
		c.caches.blocks.Add(hash, block)
		c.caches.bodies.Add(hash, body)
		c.caches.encoded.Add(hash, make([]byte, encodedTransaction*cachedTransactions/2))
		c.caches.receipts.Add(hash, make([]*types.Receipt, cachedTransactions/2))
	}
	block0 := c.bc.GetBlockByNumber(0).Hash()
	if !c.caches.blocks.Contains(block0) {
		t.Fatal("they are not the chain's caches")
	}
	before := sizes()
	add(1)
	add(2)
	c.caches.trim()
	if got, want := sizes(), [4]int{before[0] + 2, before[1] + 2, before[2] + 2, before[3] + 2}; got != want {
		t.Fatalf("full, they hold %v, want %v", got, want)
	}
	add(3)
	c.caches.trim()
	if got := sizes(); got != [4]int{2, 2, 2, 2} {
		t.Fatalf("too full, they hold %v", got)
	}
	if c.caches.blocks.Contains(block0) || c.caches.blocks.Contains(common.Hash{1}) || !c.caches.blocks.Contains(common.Hash{3}) {
		t.Fatal("not the oldest were taken out")
	}
}
