package devnet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// tool is a development tool at one of the devnet's ports.
type tool struct {
	*ethclient.Client
	t *testing.T
}

func at(t *testing.T, url string) tool {
	t.Helper()
	client, err := ethclient.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return tool{client, t}
}

// ask calls a method that must succeed.
func ask[R any](c tool, method string, params ...any) (result R) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.Client.Client().CallContext(ctx, &result, method, params...); err != nil {
		c.t.Fatalf("%s%v: %v", method, params, err)
	}
	return result
}

// refused calls a method that must fail with a text.
func refused(c tool, text, method string, params ...any) {
	c.t.Helper()
	var result json.RawMessage
	if err := c.Client.Client().CallContext(c.t.Context(), &result, method, params...); err == nil || !strings.Contains(err.Error(), text) {
		c.t.Errorf("%s%v: %s, %v; want an error with %q", method, params, result, err, text)
	}
}

func (c tool) head() *types.Header {
	c.t.Helper()
	head, err := c.HeaderByNumber(c.t.Context(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return head
}

func (c tool) receipt(hash common.Hash) *types.Receipt {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	receipt, err := bind.WaitMined(ctx, c, hash)
	if err != nil {
		c.t.Fatal(err)
	}
	return receipt
}

// payment is a transaction without a nonce, gas or fee.
func payment(from, to common.Address) map[string]any {
	return map[string]any{"from": from, "to": to, "value": "0x1"}
}

func addresses(t *testing.T) (list []common.Address) {
	t.Helper()
	all, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		list = append(list, a.Address)
	}
	return list
}

// TestToolsSendForTheFundedAccounts: at both ports, in order, each executed when the answer comes; at :3000 sealed.
func TestToolsSendForTheFundedAccounts(t *testing.T) {
	d := run(t, t.TempDir(), "10s")
	people := addresses(t)
	for name, url := range map[string]string{"plain": d.rpc, "sealed": d.bundler, "plain by WebSocket": "ws" + strings.TrimPrefix(d.rpc, "http") + "/ws"} {
		t.Run(name, func(t *testing.T) {
			c := at(t, url)
			if got := ask[[]common.Address](c, "eth_accounts"); len(got) != 10 || got[0] != people[0] || got[9] != people[9] {
				t.Errorf("accounts %v", got)
			}
			hash := ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1]))
			if receipt, err := c.TransactionReceipt(t.Context(), hash); err != nil || receipt.Status != types.ReceiptStatusSuccessful || receipt.GasUsed != 21000 {
				t.Errorf("receipt %+v, %v", receipt, err)
			}
			var sends sync.WaitGroup // their nonces must differ
			hashes := make([]common.Hash, 5)
			for i := range hashes {
				sends.Go(func() { hashes[i] = ask[common.Hash](c, "eth_sendTransaction", payment(people[2], people[3])) })
			}
			sends.Wait()
			for _, hash := range hashes {
				if receipt := c.receipt(hash); receipt.Status != types.ReceiptStatusSuccessful {
					t.Errorf("receipt %+v", receipt)
				}
			}
			refused(c, "not one of the accounts", "eth_sendTransaction", payment(common.Address{1}, people[0]))
			revert := map[string]any{"from": people[0], "data": "0x60006000fd"} // a creation that reverts
			refused(c, "execution reverted", "eth_sendTransaction", revert)
		})
	}
	plain := at(t, d.rpc)
	sealed, ordered := 0, 0
	for n := uint64(1); n <= plain.head().Number.Uint64(); n++ {
		block, err := plain.BlockByNumber(t.Context(), new(big.Int).SetUint64(n))
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range block.Transactions() {
			var proof struct {
				Position     hexutil.Uint64
				Transactions []hexutil.Bytes
			}
			if err := plain.Client.Client().CallContext(t.Context(), &proof, "te_getOrderProof", tx.Hash()); err != nil {
				t.Fatal(err)
			}
			if ordered++; proof.Transactions[proof.Position][0] == 0x5e {
				sealed++
			}
		}
	}
	if ordered != 18 || sealed != 6 {
		t.Errorf("of %d transactions %d are sealed, want 6 of 18", ordered, sealed)
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}

const typedData = `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"Note":[{"name":"text","type":"string"}]},
	"primaryType":"Note","domain":{"name":"a test"},"message":{"text":"hello"}}`

// typedPair has an array of a fixed length, with as many items as are filled in.
const typedPair = `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"Note":[{"name":"pairs","type":"Pair[]"}],
	"Pair":[{"name":"texts","type":"string[2]"}]},"primaryType":"Note","domain":{"name":"a test"},"message":{"pairs":[{"texts":[%s]}]}}`

func TestToolsSignForTheFundedAccounts(t *testing.T) {
	d := run(t, t.TempDir(), "10s")
	people := addresses(t)
	var typed apitypes.TypedData
	if err := json.Unmarshal([]byte(typedData), &typed); err != nil {
		t.Fatal(err)
	}
	typedHash, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		t.Fatal(err)
	}
	text := hexutil.Bytes("hello")
	for _, url := range []string{d.rpc, d.bundler} {
		c := at(t, url)
		for _, one := range []struct {
			method string
			params []any
			hash   []byte
		}{
			{"eth_sign", []any{people[4], text}, accounts.TextHash(text)},
			{"personal_sign", []any{text, people[4]}, accounts.TextHash(text)},
			{"personal_sign", []any{text, people[4], ""}, accounts.TextHash(text)},
			{"eth_signTypedData_v4", []any{people[4], typedData}, typedHash},
			{"eth_signTypedData_v4", []any{people[4], json.RawMessage(typedData)}, typedHash},
		} {
			signature := ask[hexutil.Bytes](c, one.method, one.params...)
			signature[64] -= 27
			key, err := crypto.SigToPub(one.hash, signature)
			if err != nil || crypto.PubkeyToAddress(*key) != people[4] {
				t.Errorf("%s: signed by %v, %v", one.method, key, err)
			}
		}
		refused(c, "not one of the accounts", "eth_sign", common.Address{1}, text)
		refused(c, "typed data", "eth_signTypedData_v4", people[0], "{}")
		refused(c, "Expected 2 items for array type string[2], got 1 items", "eth_signTypedData_v4", people[0], fmt.Sprintf(typedPair, `"one"`))
		ask[hexutil.Bytes](c, "eth_signTypedData_v4", people[0], fmt.Sprintf(typedPair, `"one","two"`))
		// Hardhat's network helpers ask no node of another version for blocks or time.
		if version := ask[string](c, "web3_clientVersion"); !strings.HasPrefix(version, "anvil") || !strings.Contains(version, "/blindseq/") {
			t.Errorf("web3_clientVersion: %q", version)
		}
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestToolsMakeBlocks(t *testing.T) {
	d := run(t, t.TempDir(), "1h")
	people := addresses(t)
	c := at(t, d.rpc)
	number := func() uint64 { return c.head().Number.Uint64() }
	for _, one := range []struct {
		method string
		params []any
		blocks uint64
	}{
		{"evm_mine", nil, 1}, {"evm_mine", []any{map[string]any{"blocks": 3}}, 3}, {"hardhat_mine", nil, 1}, {"hardhat_mine", []any{"0x5", "0x0"}, 5},
		{"anvil_mine", []any{2}, 2}, {"hardhat_mine", []any{0}, 0},
	} {
		before := number()
		ask[any](c, one.method, one.params...)
		if made := number() - before; made != one.blocks {
			t.Errorf("%s%v made %d blocks", one.method, one.params, made)
		}
	}
	ask[any](at(t, d.bundler), "evm_mine")
	refused(c, "at most", "hardhat_mine", 100_000)
	head := ask[struct {
		LatestBlockNumber uint64
		LatestBlockHash   common.Hash
		ChainID           uint64
	}](c, "hardhat_metadata")
	if last := c.head(); head.LatestBlockNumber != last.Number.Uint64() || head.LatestBlockHash != last.Hash() || head.ChainID != devChainID {
		t.Errorf("metadata %+v of block %d, %s", head, last.Number, last.Hash())
	}

	if !ask[bool](c, "hardhat_getAutomine") {
		t.Error("blocks are not made for transactions")
	}
	ask[bool](c, "evm_setAutomine", false)
	before := number()
	hash := ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1]))
	if ask[bool](c, "hardhat_getAutomine") || number() != before {
		t.Error("a block was made for a transaction though automine is off")
	}
	ask[any](c, "evm_mine")
	if receipt := c.receipt(hash); receipt.BlockNumber.Uint64() != before+1 {
		t.Errorf("the transaction is in block %s, not %d", receipt.BlockNumber, before+1)
	}
	hash = ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1]))
	ask[any](c, "evm_setIntervalMining", 100)
	c.receipt(hash) // in a block of the interval
	ask[any](c, "evm_setIntervalMining", 0)
	before = number()
	ask[any](c, "evm_setAutomine", true)
	if c.receipt(ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1]))); number() < before+1 {
		t.Error("no block was made for a transaction though automine is on again")
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}

// TestToolsMoveTheTime: the clock of all parts moves, so sealed transactions are ordered too, and a restart continues where it was.
func TestToolsMoveTheTime(t *testing.T) {
	const year = 365 * 24 * 3600
	dir := t.TempDir()
	d := run(t, dir, "1h")
	people := addresses(t)
	c := at(t, d.rpc)
	doors := []tool{c, at(t, d.bundler)}
	later := func(c tool, seconds uint64) {
		t.Helper()
		before := c.head()
		hash := ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1]))
		for _, door := range doors { // leader and observer: the next step may ask either for the head and the nonce
			if door.receipt(hash).Status != types.ReceiptStatusSuccessful {
				t.Errorf("transaction %s failed", hash)
			}
		}
		if moved := c.head().Time - before.Time; moved < seconds || moved > seconds+300 {
			t.Errorf("the time moved by %d s, want %d", moved, seconds)
		}
	}
	ask[any](c, "evm_mine") // the genesis is of 1970
	later(c, 0)
	ask[any](c, "evm_increaseTime", year)
	later(c, year)
	ask[any](c, "evm_increaseTime", "0x3c")
	later(at(t, d.bundler), 60)
	for _, ahead := range []uint64{1, 5000} { // also one that is behind the clock
		ask[any](c, "evm_increaseTime", 1000)
		next := c.head().Time + ahead
		ask[any](c, "evm_setNextBlockTimestamp", next)
		if hash := ask[common.Hash](c, "eth_sendTransaction", payment(people[0], people[1])); c.receipt(hash).Status != 1 || c.head().Time != next {
			t.Errorf("the block has %d, not %d", c.head().Time, next)
		}
		later(c, 0)
	}
	next := c.head().Time + 77
	ask[any](c, "evm_mine", next)
	if got := c.head().Time; got != next {
		t.Errorf("a mined block has %d, not %d", got, next)
	}
	ask[any](c, "hardhat_mine", "0xa", "0xe10")
	if moved := c.head().Time - next; moved < 9*3600 || moved > 9*3600+300 {
		t.Errorf("ten blocks an hour apart moved the time by %d s", moved)
	}
	refused(c, "never decrease", "evm_setNextBlockTimestamp", c.head().Time-1)
	refused(c, "too far", "evm_increaseTime", uint64(1)<<60)
	refused(c, "number", "evm_increaseTime", "soon")
	ask[any](c, "evm_increaseTime", year)
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}

	second := run(t, dir, "1h")
	c = at(t, second.rpc)
	doors = []tool{c, at(t, second.bundler)}
	later(c, year) // what no block had yet is not lost
	later(at(t, second.bundler), 0)
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestToolsAreToldWhatNoOrderCanDo(t *testing.T) {
	d := run(t, t.TempDir(), "10s")
	c, someone := at(t, d.rpc), common.Address{1}
	refused(c, "evm_snapshot: not supported", "evm_snapshot")
	refused(c, "order is never taken back", "evm_revert", "0x1")
	refused(c, "order is never taken back", "hardhat_reset")
	refused(c, "hardhat_setBalance: not supported", "hardhat_setBalance", someone, "0x1")
	refused(c, "follows from the order", "anvil_setStorageAt", someone, "0x0", "0x1")
	refused(c, "signature", "hardhat_impersonateAccount", someone)
	refused(at(t, d.bundler), "order is never taken back", "evm_snapshot")
	refused(c, "does not exist", "personal_sendTransaction", payment(someone, someone), "")
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestBlocksForTransactionsOnlyAreMadeForThem(t *testing.T) {
	d := run(t, t.TempDir(), "transactions")
	c, people := at(t, d.rpc), addresses(t)
	for _, url := range []string{d.rpc, d.bundler} {
		before := c.head().Number.Uint64()
		receipt := c.receipt(ask[common.Hash](at(t, url), "eth_sendTransaction", payment(people[0], people[1])))
		if receipt.BlockNumber.Uint64() != before+1 {
			t.Errorf("block %s, want %d", receipt.BlockNumber, before+1)
		}
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}
