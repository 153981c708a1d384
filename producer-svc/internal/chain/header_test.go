package chain_test

import (
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

func headerOf(t *testing.T, c *chain.Chain, number uint64) *types.Header {
	t.Helper()
	var header *types.Header
	must(t, client(t, c).Call(&header, "eth_getBlockByNumber", hex(number), false))
	return header
}

// A proposal names the base fee of a block that does not exist yet.
func TestTheBaseFeeIsThatOfTheNextBlock(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	at := burner(t, c, w[0])
	seen := map[uint64]bool{}
	for i := range 4 {
		var txs [][]byte
		if i%2 == 0 {
			txs = [][]byte{w[0].call(t, &at, 16_000_000, nil, nil), w[0].call(t, &at, 16_000_000, nil, nil)}
		}
		named := c.BaseFee()
		number := apply(t, c, next(c, txs...)).Number
		equal(t, "base fee", headerOf(t, c, number).BaseFee.Uint64(), named)
		seen[named] = true
	}
	if len(seen) != 4 {
		t.Errorf("the base fee had %d values in 4 blocks", len(seen))
	}
}

// TestEveryFieldOfABlockFollowsFromContentAndParent: nothing of it can be chosen after reading what was sealed.
func TestEveryFieldOfABlockFollowsFromContentAndParent(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	c, again := open(t, t.TempDir()), open(t, t.TempDir())
	w := wallets(t)
	b := next(c, w[1].transfer(t, nobody, 1))
	b.ContentHash = common.Hash{7}
	pooled(t, c, w[2].transfer(t, nobody, 3)) // what is in a pool is no part of it
	equal(t, "block", apply(t, c, b).Hash, apply(t, again, b).Hash)
	h := headerOf(t, c, b.Number)
	equal(t, "prevrandao", h.MixDigest, crypto.Keccak256Hash([]byte("blindseq/prevrandao/2"), b.ContentHash[:]))
	equal(t, "fee recipient", h.Coinbase, genesis.Coinbase)
	equal(t, "gas limit", h.GasLimit, genesis.GasLimit)
	equal(t, "timestamp", h.Time, b.Timestamp)
	equal(t, "parent", h.ParentHash, b.ParentHash)
	equal(t, "extra", string(h.Extra), "blindseq")
	equal(t, "difficulty", h.Difficulty.Sign(), 0)
	equal(t, "nonce", h.Nonce, types.BlockNonce{})
	equal(t, "beacon root", *h.ParentBeaconRoot, common.Hash{})
	equal(t, "excess blob gas", *h.ExcessBlobGas, 0)
	equal(t, "withdrawals", *h.WithdrawalsHash, types.EmptyWithdrawalsHash)

	other := b
	other.ContentHash = common.Hash{8}
	third := open(t, t.TempDir())
	if apply(t, third, other).Hash == h.Hash() {
		t.Error("another content has the same block")
	}
}
