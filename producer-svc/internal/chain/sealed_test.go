package chain_test

import (
	"math/big"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// sealed is a transaction as it comes out of its seal, with a generous header.
func sealed(raw []byte) chain.Sealed { return chain.Sealed{Raw: raw, Gas: 15_000_000, Fee: 1} }

// burner is a contract that uses all gas it is called with.
func burner(t *testing.T, c *chain.Chain, w *wallet) common.Address {
	t.Helper()
	init := common.FromHex("635b5f56005f526004601cf3") // returns the code 5b5f5600: an endless loop
	result := apply(t, c, next(c, w.call(t, nil, 200_000, nil, init)))
	var receipt types.Receipt
	must(t, client(t, c).Call(&receipt, "eth_getTransactionReceipt", result.Included[0]))
	equal(t, "deployed", receipt.Status, types.ReceiptStatusSuccessful)
	return receipt.ContractAddress
}

// TestGasBurnersDoNotKeepWhatWasOpenedFromRunning: once opened, a transaction whose block had no gas left would wait for a
// next block, where whoever proposes it could run others around it.
func TestGasBurnersDoNotKeepWhatWasOpenedFromRunning(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	at := burner(t, c, w[0])
	burn := func(n int) (raws [][]byte) {
		for range n {
			raws = append(raws, w[0].call(t, &at, params.MaxTxGas, nil, nil))
		}
		return raws
	}
	waiting := burn(14)
	victim, second, front := w[1].transfer(t, nobody, 1), w[1].transfer(t, nobody, 2), w[2].transfer(t, nobody, 3)
	before := apply(t, c, next(c, waiting...))
	if len(before.Waiting) < 2 {
		t.Fatalf("%d burners wait, the test wants some", len(before.Waiting))
	}
	b := next(c, burn(13)...)
	b.Delayed = [][]byte{front}
	b.Sealed = []chain.Sealed{sealed(victim), {Raw: w[3].transfer(t, nobody, 1), Gas: 1, Fee: 1}, sealed(second)}
	result := apply(t, c, b)
	equalList(t, "first in the block", result.Included[:2], hashes(victim, second))
	for _, raw := range [][]byte{victim, second} {
		number, ok := c.Included(chain.HashTransaction(raw))
		equal(t, "executed", ok, true)
		equal(t, "in its block", number, b.Number)
	}
	equal(t, "then what waits", result.Included[2], before.Waiting[0])
}

func TestWhatWasOpenedAndCannotRunAtItsPlaceHasEnded(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	poor := newWallet(wallets(t)[9].key)
	genesis.Alloc[poor.address] = types.Account{Balance: big.NewInt(params.GWei)}
	c := open(t, t.TempDir(), withGenesis(genesis))
	w := wallets(t)
	homestead, err := types.SignNewTx(w[4].key, types.HomesteadSigner{}, &types.LegacyTx{To: &nobody, Gas: params.TxGas, GasPrice: big.NewInt(2 * params.GWei)})
	must(t, err)
	unprotected, err := homestead.MarshalBinary()
	must(t, err)
	otherChain, err := types.SignNewTx(w[5].key, types.NewPragueSigner(big.NewInt(5)),
		&types.DynamicFeeTx{ChainID: big.NewInt(5), To: &nobody, Gas: params.TxGas, GasFeeCap: big.NewInt(2 * params.GWei)})
	must(t, err)
	wrongChain, err := otherChain.MarshalBinary()
	must(t, err)
	first, second := w[0].transfer(t, nobody, 1), w[0].transfer(t, nobody, 2)
	fee := uint64(100 * params.GWei)
	cases := []struct {
		name   string
		sealed chain.Sealed
		reason string
	}{
		{"nonce not due", sealed(second), "nonce too high"},
		{"funds", sealed(poor.transfer(t, nobody, 1)), "insufficient funds"},
		{"gas over the header's", chain.Sealed{Raw: w[1].call(t, &nobody, 21_001, nil, nil), Gas: 21_000, Fee: 1}, "gas limit exceeds the gas of its header: 21001, header 21000"},
		{"fee cap below the header's", chain.Sealed{Raw: w[2].transfer(t, nobody, 1), Gas: 21_000, Fee: fee + 1}, "fee cap is below the fee of its header"},
		{"fee cap below the base fee", sealed(w[3].sign(t, &types.DynamicFeeTx{ChainID: chainID, To: &nobody, Gas: params.TxGas, GasFeeCap: big.NewInt(1)})), "less than block base fee"},
		{"before EIP-155", sealed(unprotected), "not protected"},
		{"another chain", sealed(wrongChain), "invalid chain id"},
		{"a blob", sealed([]byte{0x03, 0xc0}), "type not supported"},
		{"sealed again", sealed([]byte{0x5e, 0xc0}), "type not supported"},
		{"no transaction", sealed([]byte("hello")), "type not supported"},
		{"too much gas", chain.Sealed{Raw: w[6].call(t, &nobody, params.MaxTxGas+1, nil, nil), Gas: params.MaxTxGas + 1}, "gas limit too high"},
	}
	b := next(c, w[8].transfer(t, nobody, 1))
	for _, one := range cases {
		b.Sealed = append(b.Sealed, one.sealed)
	}
	b.Sealed = append(b.Sealed, sealed(first), sealed(first))
	result := apply(t, c, b)
	equalList(t, "included", result.Included, hashes(first, b.Transactions[0]))
	equal(t, "waiting", len(result.Waiting), 0)
	equal(t, "ended", len(result.Skipped), len(cases)+1)
	for i, one := range cases {
		equal(t, one.name+": hash", result.Skipped[i].Hash, chain.HashTransaction(one.sealed.Raw))
		if !strings.Contains(result.Skipped[i].Reason, one.reason) {
			t.Errorf("%s: reason %q does not say %q", one.name, result.Skipped[i].Reason, one.reason)
		}
	}
	equal(t, "the second time", strings.Contains(result.Skipped[len(cases)].Reason, "nonce too low"), true)

	// The nonce is due now. Nothing runs by itself.
	equal(t, "included in the next block", len(apply(t, c, next(c)).Included), 0)
	pending, queued := c.PoolSize()
	equal(t, "in the pool", pending+queued, 0)
}

func TestABlockIsTheSameOnlyWithTheSameSealedHeaders(t *testing.T) {
	c := open(t, t.TempDir())
	b := next(c)
	b.Sealed = []chain.Sealed{sealed(wallets(t)[0].transfer(t, nobody, 1))}
	first := apply(t, c, b)
	equal(t, "repeated", apply(t, c, b).Hash, first.Hash)
	for name, change := range map[string]func(*chain.Block, *chain.Sealed){
		"gas":       func(_ *chain.Block, s *chain.Sealed) { s.Gas++ },
		"fee":       func(_ *chain.Block, s *chain.Sealed) { s.Fee++ },
		"submitter": func(_ *chain.Block, s *chain.Sealed) { s.Submitter[0]++ },
		"relay":     func(_ *chain.Block, s *chain.Sealed) { s.Relay = true },
		"content":   func(b *chain.Block, _ *chain.Sealed) { b.ContentHash[0]++ },
		"bars":      func(b *chain.Block, _ *chain.Sealed) { b.BarredUntil++ },
		"readable":  func(b *chain.Block, s *chain.Sealed) { b.Transactions, b.Sealed = [][]byte{s.Raw}, nil },
	} {
		other := b
		other.Sealed = []chain.Sealed{b.Sealed[0]}
		change(&other, &other.Sealed[0])
		if _, err := c.Apply(ctx, other); err == nil {
			t.Errorf("%s: another block was taken for the same", name)
		}
	}
}

func TestPrevrandaoIsAHashOfTheContent(t *testing.T) {
	var seen []common.Hash
	for i := range byte(2) {
		c := open(t, t.TempDir())
		b := next(c)
		b.ContentHash = common.Hash{i}
		apply(t, c, b)
		var header types.Header
		must(t, client(t, c).Call(&header, "eth_getBlockByNumber", "latest", false))
		seen = append(seen, header.MixDigest)
	}
	equal(t, "the same for two contents", seen[0] == seen[1], false)
}

func TestAChainWithTooLittleGasForSealedTransactionsIsRefused(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	genesis.GasLimit = 15_000_000 + params.MaxTxGas
	c := open(t, t.TempDir(), withGenesis(genesis))
	must(t, c.CheckSealedGas(15_000_000))
	for _, gas := range []uint64{15_000_001, 1 << 63, ^uint64(0)} {
		err := c.CheckSealedGas(gas)
		wantError(t, err, chain.ErrGenesis)
		equal(t, "says what to do", strings.Contains(err.Error(), "larger gasLimit"), true)
	}
}
