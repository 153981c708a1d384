package chain_test

import (
	"errors"
	"testing"

	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/fakes"
)

// TestABlockThatCannotBeExecutedLeavesTheChainAsItWas: it is no fault of the database. The chain stays open, its head stays, and
// nothing of the block is kept, neither now nor after a restart.
func TestABlockThatCannotBeExecutedLeavesTheChainAsItWas(t *testing.T) {
	genesis, err := fakes.UnexecutableGenesis()
	must(t, err)
	dir := t.TempDir()
	broken := func(cfg *chain.Config) { cfg.Broken = func(err error) { t.Errorf("reported as broken: %v", err) } }
	c := open(t, dir, withGenesis(genesis), broken)
	from := wallets(t)[0]
	first := apply(t, c, next(c, from.transfer(t, nobody, 1)))
	trap := next(c, from.transfer(t, nobody, 2), from.call(t, &fakes.Trap, 100_000, nil, nil))
	refused := func() {
		t.Helper()
		if _, err := c.Apply(ctx, trap); !errors.Is(err, chain.ErrExecution) || errors.Is(err, chain.ErrBroken) {
			t.Fatalf("got %v", err)
		}
		number, hash, _ := c.Head()
		equal(t, "head", number, first.Number)
		equal(t, "hash of the head", hash, first.Hash)
		if _, ok := c.HashOf(trap.Number); ok {
			t.Error("the block is in the chain")
		}
		if _, err := c.SkippedIn(trap.Number); err == nil {
			t.Error("the block has a record")
		}
		_, included := c.Included(chain.HashTransaction(trap.Transactions[0]))
		equal(t, "its transaction is included", included, false)
	}
	refused()
	refused() // the same again
	must(t, c.Close())
	c = open(t, dir, withGenesis(genesis), broken)
	refused()
	good := next(c, trap.Transactions[0])
	if result := apply(t, c, good); len(result.Included) != 1 {
		t.Errorf("the chain does not continue with %+v", result)
	}
}
