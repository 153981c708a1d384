package chain_test

import (
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
)

func TestABlockIsFoundByItsNamesAndByWhatWaitedAfterIt(t *testing.T) {
	dir := t.TempDir()
	_, genesis := small(t, 2)
	c := open(t, dir, genesis)
	w := wallets(t)
	var raws [][]byte
	for i := range 4 {
		raws = append(raws, w[i].transfer(t, nobody, 1))
	}
	first := next(c, raws...)
	first.Names = []common.Hash{{1}, {2}}
	apply(t, c, first)
	second := next(c)
	second.Names = []common.Hash{{2}, {3}}
	apply(t, c, second)
	for range 2 {
		for name, want := range map[common.Hash]uint64{
			{1}: 1, {2}: 1, {3}: 2, {4}: 0,
			chain.HashTransaction(raws[1]): 0, chain.HashTransaction(raws[2]): 1, chain.HashTransaction(raws[3]): 1,
		} {
			number, ok, err := c.NamedIn(name)
			must(t, err)
			equal(t, "number", number, want)
			equal(t, "found", ok, want > 0)
		}
		must(t, c.Close())
		c = open(t, dir, genesis)
	}
}
