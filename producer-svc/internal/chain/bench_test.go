package chain_test

import (
	"fmt"
	"math/big"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

const benchBlock = 1000

// BenchmarkEngine is the whole cost of transfers that come in preblocks of 1,000: decode, recover, execute, commit, for
// 200 accounts. In "known" they were in the pool, as they are on the producer that proposed them; in "fresh receivers"
// each goes to an address of its own.
func BenchmarkEngine(b *testing.B) {
	b.Run("unknown", func(b *testing.B) { benchEngine(b, false, false) })
	b.Run("known", func(b *testing.B) { benchEngine(b, true, false) })
	b.Run("fresh_receivers", func(b *testing.B) { benchEngine(b, false, true) })
}

func benchEngine(b *testing.B, pooled, fresh bool) {
	senders, genesis := richWallets(b, 200)
	c := open(b, b.TempDir(), withGenesis(genesis))
	blocks := make([][][]byte, (b.N+benchBlock-1)/benchBlock)
	for i := range blocks {
		for j := range benchBlock {
			n := i*benchBlock + j
			to := senders[(n+7)%len(senders)].address
			if fresh {
				to = common.BigToAddress(big.NewInt(int64(n) + 1_000_000))
			}
			blocks[i] = append(blocks[i], senders[n%len(senders)].transfer(b, to, 1))
		}
	}
	if pooled {
		for _, txs := range blocks {
			decoded, _ := c.Decode(txs)
			for _, err := range c.AddTransactions(decoded) {
				must(b, err)
			}
		}
	}
	b.ResetTimer()
	for _, txs := range blocks {
		result := apply(b, c, next(c, txs...))
		if len(result.Included) != benchBlock {
			b.Fatalf("%d of %d included, first skipped: %v", len(result.Included), benchBlock, result.Skipped[:1])
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(len(blocks)*benchBlock)/b.Elapsed().Seconds(), "transfers/s")
}

func richWallets(t testing.TB, n int) ([]*wallet, *core.Genesis) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	rich := new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))
	var all []*wallet
	for i := range n {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "wallet %d", i)))
		must(t, err)
		all = append(all, newWallet(key))
		genesis.Alloc[all[i].address] = types.Account{Balance: rich}
	}
	return all, genesis
}

// BenchmarkSmallBlock is one block with one transfer that was in the pool: what the engine adds to a user's latency.
func BenchmarkSmallBlock(b *testing.B) {
	c := open(b, b.TempDir())
	w := wallets(b)
	for b.Loop() {
		apply(b, c, next(c, w[0].transfer(b, nobody, 1)))
	}
}

// BenchmarkBacklog is a block of a thousand transfers made out of a long pool: choosing them, applying them, and waiting for
// geth's pool to be ready for the next block. It shows what transactions cost that only wait.
func BenchmarkBacklog(b *testing.B) {
	for _, size := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchBacklog(b, size) })
	}
}

func benchBacklog(b *testing.B, size int) {
	senders, genesis := richWallets(b, 1000)
	c := open(b, b.TempDir(), withGenesis(genesis))
	var raws [][]byte
	for i := range size + b.N*benchBlock {
		raws = append(raws, senders[i%len(senders)].transfer(b, nobody, 1))
	}
	pooled(b, c, raws...)
	b.ResetTimer()
	for range b.N {
		raws, err := c.Content(ctx, chain.Limits{Bytes: plenty, Gas: benchBlock * params.TxGas})
		must(b, err)
		if result := apply(b, c, next(c, raws...)); len(result.Included) != benchBlock {
			b.Fatalf("%d transactions in a block", len(result.Included))
		}
	}
}
