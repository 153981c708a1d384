package chain_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// pooled puts transactions into the pool and waits until it offers every one of them. Its size would not tell: for a
// while after a block it counts what the block has.
func pooled(t testing.TB, c *chain.Chain, raws ...[]byte) {
	t.Helper()
	work, cancel := c.Work()
	defer cancel()
	txs, errs := c.Decode(raws)
	for i := range errs {
		must(t, errs[i])
	}
	for _, err := range c.AddTransactions(txs) {
		must(t, err)
	}
	deadline := time.After(5 * time.Second)
	for {
		if !slices.ContainsFunc(raws, func(raw []byte) bool {
			state, _ := c.Status(chain.HashTransaction(raw))
			return state != chain.TxPending
		}) {
			return
		}
		select {
		case <-work:
		case <-deadline:
			t.Fatal("the pool does not offer the transactions")
		}
	}
}

func content(t testing.TB, c *chain.Chain, limits chain.Limits) [][]byte {
	t.Helper()
	raws, err := c.Content(ctx, limits)
	must(t, err)
	return raws
}

func (w *wallet) tipped(t testing.TB, gwei int64) []byte {
	t.Helper()
	return w.sign(t, &types.DynamicFeeTx{ChainID: chainID, Nonce: w.nonce, To: &nobody, Gas: params.TxGas,
		GasTipCap: big.NewInt(gwei * params.GWei), GasFeeCap: big.NewInt(100 * params.GWei)})
}

func TestContentIsByPriceAndNonce(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	low, high := w[0].tipped(t, 1), w[1].tipped(t, 9)
	cheapFirst, dearSecond := w[2].tipped(t, 2), w[2].tipped(t, 20)
	pooled(t, c, low, high, cheapFirst, dearSecond)
	got := content(t, c, chain.Limits{Bytes: plenty})
	for i, want := range [][]byte{high, cheapFirst, dearSecond, low} {
		equal(t, "transaction", string(got[i]), string(want))
	}
}

func TestContentStaysWithinBytesAndGas(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	var raws [][]byte
	for range 20 {
		raws = append(raws, w[0].transfer(t, nobody, 1))
	}
	pooled(t, c, raws...)
	equal(t, "by gas", len(content(t, c, chain.Limits{Bytes: plenty, Gas: 5*params.TxGas + 1})), 5)
	size := uint64(len(raws[0]) + 4)
	equal(t, "by bytes", len(content(t, c, chain.Limits{Bytes: 3*size + size/2, Gas: 1e9})), 3)
	equal(t, "no bytes", len(content(t, c, chain.Limits{})), 0)

	// What is large does not keep small ones of others out.
	large := w[1].call(t, &nobody, 1_000_000, nil, make([]byte, 2000))
	pooled(t, c, large)
	equal(t, "without the large one", len(content(t, c, chain.Limits{Bytes: 2000})) > 10, true)
}

func TestContentNeverHasWhatIsInABlock(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	for range 30 {
		raws := [][]byte{w[0].transfer(t, nobody, 1), w[1].transfer(t, nobody, 1), w[1].transfer(t, nobody, 1)}
		pooled(t, c, raws...)
		apply(t, c, next(c, raws[0], raws[1]))
		got := content(t, c, chain.Limits{Bytes: plenty}) // geth's pool has most likely not looked at the block yet
		equal(t, "left", len(got), 1)
		equal(t, "which", string(got[0]), string(raws[2]))
		result := apply(t, c, next(c, got...))
		equal(t, "included in the next", len(result.Included), 1)
		equal(t, "left after it", len(content(t, c, chain.Limits{Bytes: plenty})), 0)
	}
}

func TestContentLeavesOutWhoCannotPayTheBaseFee(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	poor := w[0].sign(t, &types.DynamicFeeTx{ChainID: chainID, To: &nobody, Gas: params.TxGas, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1000)})
	pooled(t, c, poor)
	equal(t, "offered", len(content(t, c, chain.Limits{Bytes: plenty})), 0)
}

func TestAFlushKeepsThePoolAndTheHead(t *testing.T) {
	c := open(t, t.TempDir(), func(cfg *chain.Config) { cfg.Flush.Gas = 2 * params.TxGas })
	w := wallets(t)
	var raws [][]byte
	for _, one := range w {
		for range 20 {
			raws = append(raws, one.transfer(t, nobody, 1))
		}
	}
	pooled(t, c, raws...)
	included := 0
	for included < len(raws) {
		got := content(t, c, chain.Limits{Bytes: plenty, Gas: 7 * params.TxGas})
		if len(got) == 0 {
			t.Fatalf("nothing offered after %d of %d", included, len(raws))
		}
		result := apply(t, c, next(c, got...))
		equal(t, "skipped", len(result.Skipped), 0)
		included += len(result.Included)
	}
	var balance string
	must(t, client(t, c).Call(&balance, "eth_getBalance", nobody, "latest"))
	equal(t, "balance", common.HexToHash(balance).Big().Int64(), int64(len(raws)))
}

func TestACloseDuringWorkIsCleanAndQuick(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, func(cfg *chain.Config) { cfg.Flush.Gas = 5 * params.TxGas })
	w := wallets(t)
	applied := make(chan uint64)
	go func() {
		defer close(applied)
		for {
			result, err := c.Apply(ctx, next(c, w[0].transfer(t, nobody, 1)))
			if err != nil {
				return
			}
			applied <- result.Number
		}
	}()
	var last uint64
	for last < 50 {
		last = <-applied
	}
	closed := make(chan error, 1)
	began := time.Now()
	go func() { closed <- c.Close() }()
	for number := range applied {
		last = number
	}
	must(t, <-closed)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
	number, _, _ := open(t, dir).Head()
	equal(t, "head", number, last)
}
