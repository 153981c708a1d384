package chain_test

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

func TestTransfersOfEveryTypeAreIncluded(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	auth, err := types.SignSetCode(w[4].key, types.SetCodeAuthorization{Address: nobody})
	must(t, err)
	raws := [][]byte{
		w[0].sign(t, &types.LegacyTx{To: &nobody, Gas: 21000, GasPrice: big.NewInt(2 * params.GWei), Value: big.NewInt(1)}),
		w[1].sign(t, &types.AccessListTx{ChainID: chainID, To: &nobody, Gas: 30000, GasPrice: big.NewInt(2 * params.GWei), Value: big.NewInt(2),
			AccessList: types.AccessList{{Address: nobody}}}),
		w[2].transfer(t, nobody, 3),
		w[3].sign(t, &types.SetCodeTx{To: nobody, Gas: 100_000, GasTipCap: uint256Of(1), GasFeeCap: uint256Of(2 * params.GWei), Value: uint256Of(4),
			AuthList: []types.SetCodeAuthorization{auth}}),
	}
	result := apply(t, c, next(c, raws...))
	if len(result.Skipped) != 0 {
		t.Fatalf("skipped: %v", result.Skipped)
	}
	for i, raw := range raws {
		equal(t, "included", result.Included[i], chain.HashTransaction(raw))
		number, ok := c.Included(result.Included[i])
		equal(t, "found", ok, true)
		equal(t, "block", number, 1)
	}
	number, hash, _ := c.Head()
	equal(t, "head", number, 1)
	equal(t, "hash", hash, result.Hash)
}

func TestUnusableTransactionsAreSkippedWithTheirReason(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	poor := newWallet(wallets(t)[9].key)
	genesis.Alloc[poor.address] = types.Account{Balance: big.NewInt(params.GWei)}
	c := open(t, t.TempDir(), withGenesis(genesis))
	w := wallets(t)
	otherChain, err := types.SignNewTx(w[1].key, types.NewPragueSigner(big.NewInt(5)),
		&types.DynamicFeeTx{ChainID: big.NewInt(5), To: &nobody, Gas: 21000, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2 * params.GWei)})
	must(t, err)
	wrongChain, err := otherChain.MarshalBinary()
	must(t, err)
	badSignature := bytes.Clone(w[8].transfer(t, nobody, 1))
	copy(badSignature[len(badSignature)-32:], bytes.Repeat([]byte{0xff}, 32))

	w[2].nonce = 5
	w[5].nonce = 0
	cases := []struct {
		name   string
		raw    []byte
		reason string
	}{
		{"nothing", nil, "no bytes"},
		{"garbage", []byte{0xc1, 0x80, 0x80}, "decode transaction"},
		{"sealed", []byte{0x5e, 0xc0}, "type not supported: 0x5e"},
		{"blob", []byte{0x03, 0xc0}, "type not supported: 0x03"},
		{"chain id", wrongChain, "invalid chain id"},
		{"signature", badSignature, "invalid sender: invalid"},
		{"nonce gap", w[2].transfer(t, nobody, 1), "nonce too high"},
		{"funds", poor.transfer(t, nobody, 1), "insufficient funds"},
		{"fee cap", w[3].sign(t, &types.DynamicFeeTx{ChainID: chainID, To: &nobody, Gas: 21000, GasFeeCap: big.NewInt(1)}), "max fee per gas less than block base fee"},
		{"intrinsic gas", w[4].call(t, &nobody, 20999, nil, nil), "intrinsic gas too low"},
		{"gas cap", w[5].call(t, &nobody, params.MaxTxGas+1, nil, nil), "gas limit too high"},
		{"block gas", w[6].call(t, &nobody, chain.DevGasLimit+1, nil, nil), "gas limit too high"},
	}
	var raws [][]byte
	for _, one := range cases {
		raws = append(raws, one.raw)
	}
	good := w[0].transfer(t, nobody, 1)
	raws = append(raws, good, good)
	result := apply(t, c, next(c, raws...))
	equal(t, "included", len(result.Included), 1)
	equal(t, "skipped", len(result.Skipped), len(cases)+1)
	for i, one := range cases {
		equal(t, one.name+" hash", result.Skipped[i].Hash, chain.HashTransaction(one.raw))
		if !strings.Contains(result.Skipped[i].Reason, one.reason) {
			t.Errorf("%s: reason %q does not say %q", one.name, result.Skipped[i].Reason, one.reason)
		}
	}
	if reason := result.Skipped[len(cases)].Reason; !strings.Contains(reason, "nonce too low") {
		t.Errorf("the repeated one: %q", reason)
	}
}

func TestDelayedTransactionsAreExecutedBeforeThoseOfThePool(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	plain, delayed := w[0].transfer(t, nobody, 1), w[1].transfer(t, nobody, 2)
	b := next(c, plain)
	b.Delayed = [][]byte{delayed}
	result := apply(t, c, b)
	equal(t, "first", result.Included[0], chain.HashTransaction(delayed))
	equal(t, "second", result.Included[1], chain.HashTransaction(plain))
}

func TestABlockIsAppliedOnce(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b := next(c, w[0].transfer(t, nobody, 1), []byte{1})
	first := apply(t, c, b)
	apply(t, c, next(c))
	again := apply(t, c, b)
	equal(t, "hash", again.Hash, first.Hash)
	equal(t, "included", again.Included[0], first.Included[0])
	equal(t, "reason", again.Skipped[0], first.Skipped[0])

	other := b
	other.Timestamp++
	_, err := c.Apply(ctx, other)
	wantError(t, err, chain.ErrConflict)
	other = b
	other.Transactions = nil
	_, err = c.Apply(ctx, other)
	wantError(t, err, chain.ErrConflict)
	_, err = c.Apply(ctx, chain.Block{})
	wantError(t, err, chain.ErrConflict)
}

func TestABlockThatDoesNotFollowTheHeadIsRefused(t *testing.T) {
	c := open(t, t.TempDir())
	b := next(c)
	b.Timestamp = 100
	apply(t, c, b)
	_, before, _ := c.Head()

	gap := next(c)
	gap.Number++
	_, err := c.Apply(ctx, gap)
	wantError(t, err, chain.ErrGap)
	parent := next(c)
	parent.ParentHash = common.Hash{1}
	_, err = c.Apply(ctx, parent)
	wantError(t, err, chain.ErrParent)
	early := next(c)
	early.Timestamp = 99
	_, err = c.Apply(ctx, early)
	wantError(t, err, chain.ErrTimestampDecreased)

	_, after, _ := c.Head()
	equal(t, "head", after, before)
	apply(t, c, next(c))
	must(t, c.Close())
	_, err = c.Apply(ctx, next(c))
	wantError(t, err, chain.ErrClosed)
}

func TestBlocksMayShareATimestamp(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	var hashes []common.Hash
	for range 25 {
		b := next(c, w[0].transfer(t, nobody, 1))
		b.Timestamp = 1_800_000_000
		hashes = append(hashes, apply(t, c, b).Hash)
	}
	client := client(t, c)
	for i, want := range hashes {
		var byNumber, byHash types.Header
		must(t, client.Call(&byNumber, "eth_getBlockByNumber", hex(uint64(i+1)), false))
		must(t, client.Call(&byHash, "eth_getBlockByHash", want, false))
		equal(t, "hash by number", byNumber.Hash(), want)
		equal(t, "number by hash", byHash.Number.Uint64(), uint64(i+1))
		equal(t, "timestamp", byHash.Time, 1_800_000_000)
	}
}

func TestAContractIsDeployedCalledAndLogs(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	// Runtime: SLOAD(0)+1 -> SSTORE(0), MSTORE(0), LOG1(0,32,topic 7), RETURN(0,32).
	runtime := common.FromHex("5f54600101805f555f52600760205fa160205ff3")
	init := append(common.FromHex("6014600c60003960146000f3"), runtime...)
	equal(t, "runtime length in the constructor", len(runtime), 0x14)
	deploy := w[0].call(t, nil, 200_000, nil, init)
	result := apply(t, c, next(c, deploy))
	equal(t, "included", len(result.Included), 1)

	client := client(t, c)
	var receipt types.Receipt
	must(t, client.Call(&receipt, "eth_getTransactionReceipt", result.Included[0]))
	equal(t, "status", receipt.Status, types.ReceiptStatusSuccessful)
	contract := receipt.ContractAddress

	result = apply(t, c, next(c, w[0].call(t, &contract, 100_000, nil, nil), w[1].call(t, &contract, 100_000, nil, nil)))
	must(t, client.Call(&receipt, "eth_getTransactionReceipt", result.Included[1]))
	equal(t, "logs", len(receipt.Logs), 1)
	equal(t, "logged count", new(big.Int).SetBytes(receipt.Logs[0].Data).Uint64(), 2)
	equal(t, "block of the log", receipt.Logs[0].BlockHash, result.Hash)

	var count string
	must(t, client.Call(&count, "eth_call", map[string]any{"to": contract}, "latest"))
	equal(t, "called", common.HexToHash(count).Big().Uint64(), 3)
	var logs []types.Log
	must(t, client.Call(&logs, "eth_getLogs", map[string]any{"fromBlock": "0x1", "address": contract}))
	equal(t, "eth_getLogs", len(logs), 2)
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}
