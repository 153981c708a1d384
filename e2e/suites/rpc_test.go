package suites

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	// logging stores its argument and logs it with topic 0x42.
	logging = "0x60128060095f395ff3" + "60003580600055600052604260206000a100"
	// reverting fails with the number 1.
	reverting = "0x600a8060095f395ff3" + "600160005260206000fd"
)

// TestAnswersAreGeths asks both doors and geth, which has imported the same blocks, the same. The list of requests is ours: it goes
// through the methods and kinds of arguments that the tests of ethereum/execution-apis do, whose own chain cannot be ordered here.
func TestAnswersAreGeths(t *testing.T) {
	wants(t, "rpc")
	genesis := writeGenesis(t, chainOf(t, chainID))
	plain, sealed := startDevnet(t, genesis, "--time-between-blocks", "transactions")
	chain := makeChain(t, dial(t, plain))
	imported := importChain(t, genesis, chain.raw)
	to := dial(t, imported)
	nodes := []string{plain.name, sealed.name}
	results := map[string]map[string]result{}
	t.Cleanup(func() { table(t, "answers compared with geth", nodes, results) })
	for _, n := range []node{plain, sealed} {
		results[n.name] = map[string]result{}
		t.Run(n.name, func(t *testing.T) {
			from := dial(t, n)
			for _, r := range chain.requests() {
				got, want := answer(t, from, r), answer(t, to, r)
				results[n.name][r.name()] = result{failed: got != want, text: fmt.Sprintf("here %.300s\ngeth %.300s", got, want)}
			}
			checkListed(t, results[n.name], "rpc-"+n.name+".txt")
		})
	}
}

func dial(t *testing.T, n node) *rpc.Client {
	t.Helper()
	client, err := rpc.Dial(n.rpc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// request is one call.
type request struct {
	method string
	params []any
}

func (r request) name() string {
	text, _ := json.Marshal(r.params)
	return r.method + strings.ReplaceAll(string(text), " ", "")
}

// answer is the result, or code, text and data of the error, with the keys of objects in order.
func answer(t *testing.T, client *rpc.Client, r request) string {
	t.Helper()
	var got any
	if err := client.CallContext(t.Context(), &got, r.method, r.params...); err != nil {
		var code int
		var data any
		if coded := rpc.Error(nil); errors.As(err, &coded) {
			code = coded.ErrorCode()
		}
		if more := rpc.DataError(nil); errors.As(err, &more) {
			data = more.ErrorData()
		}
		return fmt.Sprintf("error %d %v %v", code, err, data)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// madeChain is what the requests are about.
type madeChain struct {
	raw              []byte // all blocks, as geth imports them
	head             uint64
	hashes           []common.Hash // of transactions
	blocks           []common.Hash
	logger, reverter common.Address
}

// makeChain makes blocks of every kind of transaction, no two with the same timestamp: geth would import none of these.
func makeChain(t *testing.T, client *rpc.Client) (c madeChain) {
	t.Helper()
	account := firstAccount(t)
	signer := types.LatestSignerForChainID(big.NewInt(chainID))
	call := func(result any, method string, params ...any) {
		t.Helper()
		if err := client.CallContext(t.Context(), result, method, params...); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	var nonce uint64
	send := func(data types.TxData) *types.Receipt {
		t.Helper()
		tx := types.MustSignNewTx(account.Key, signer, data)
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var ahead int64
		call(&ahead, "evm_increaseTime", 2)
		var receipt types.Receipt
		call(&receipt, "eth_sendRawTransactionSync", hexutil.Bytes(raw))
		nonce++
		c.hashes = append(c.hashes, tx.Hash())
		return &receipt
	}
	gwei := big.NewInt(1e9)
	fee := new(big.Int).Mul(gwei, big.NewInt(10))
	to := common.Address{0xaa}
	c.logger = send(&types.DynamicFeeTx{ChainID: big.NewInt(chainID), Nonce: nonce, GasTipCap: gwei, GasFeeCap: fee, Gas: 500_000, Data: hexutil.MustDecode(logging)}).ContractAddress
	c.reverter = send(&types.LegacyTx{Nonce: nonce, GasPrice: fee, Gas: 500_000, Data: hexutil.MustDecode(reverting)}).ContractAddress
	send(&types.LegacyTx{Nonce: nonce, GasPrice: fee, Gas: 21_000, To: &to, Value: big.NewInt(7)})
	send(&types.AccessListTx{ChainID: big.NewInt(chainID), Nonce: nonce, GasPrice: fee, Gas: 100_000, To: &c.logger, Data: common.Hash{31: 9}.Bytes(), AccessList: types.AccessList{{Address: c.logger, StorageKeys: []common.Hash{{}}}}})
	send(&types.DynamicFeeTx{ChainID: big.NewInt(chainID), Nonce: nonce, GasTipCap: gwei, GasFeeCap: fee, Gas: 100_000, To: &c.reverter})
	send(&types.DynamicFeeTx{ChainID: big.NewInt(chainID), Nonce: nonce, GasTipCap: gwei, GasFeeCap: fee, Gas: 100_000, To: &c.logger, Data: common.Hash{31: 11}.Bytes()})
	var head hexutil.Uint64
	call(&head, "eth_blockNumber")
	c.head = uint64(head)
	for number := range c.head + 1 {
		var raw hexutil.Bytes
		call(&raw, "debug_getRawBlock", hexutil.Uint64(number))
		var header types.Header
		call(&header, "eth_getBlockByNumber", hexutil.Uint64(number), false)
		c.blocks = append(c.blocks, header.Hash())
		if number > 0 {
			c.raw = append(c.raw, raw...)
		}
	}
	return c
}

// importChain runs a geth that has executed the blocks, and keeps all states.
func importChain(t *testing.T, genesis string, raw []byte) node {
	t.Helper()
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "chain.rlp")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	archive := []string{"--datadir", data, "--gcmode", "archive", "--state.scheme", "hash", "--syncmode", "full"}
	do(t, exec.CommandContext(t.Context(), geth, append(slices.Clone(archive), "init", genesis)...))
	do(t, exec.CommandContext(t.Context(), geth, append(slices.Clone(archive), "import", file)...))
	return serveGeth(t, data, archive[2:]...)
}

// requests are the calls, by method.
func (c madeChain) requests() (all []request) {
	add := func(method string, params ...any) { all = append(all, request{method, params}) }
	account, nobody := "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", common.Address{0xde, 0xad}.Hex()
	unknown := common.Hash{0xde, 0xad}
	numbers := []any{"0x0", "0x1", hexutil.EncodeUint64(c.head), "0x7fffffff", "earliest", "latest", "safe", "finalized", "pending", "nothing", "0x01", 1}
	for _, number := range numbers {
		for _, method := range []string{"eth_getBlockByNumber", "eth_getHeaderByNumber", "eth_getBlockReceipts", "eth_getBlockTransactionCountByNumber", "eth_getUncleCountByBlockNumber", "debug_getRawBlock", "debug_getRawHeader", "debug_getRawReceipts"} {
			params := []any{number}
			if method == "eth_getBlockByNumber" {
				params = append(params, true)
			}
			add(method, params...)
		}
		add("eth_getTransactionByBlockNumberAndIndex", number, "0x0")
		for _, method := range []string{"eth_getBalance", "eth_getTransactionCount", "eth_getCode"} {
			add(method, account, number)
		}
		add("eth_getStorageAt", c.logger, "0x0", number)
		add("eth_getProof", c.logger, []string{"0x0"}, number)
		add("eth_call", map[string]any{"from": account, "to": c.logger, "data": common.Hash{31: 1}}, number)
		add("eth_feeHistory", "0x3", number, []float64{25, 75})
		add("debug_traceBlockByNumber", number, map[string]any{"tracer": "callTracer"})
	}
	for _, hash := range append([]common.Hash{unknown}, c.blocks...) {
		add("eth_getBlockByHash", hash, false)
		add("eth_getBlockByHash", hash, true)
		for _, method := range []string{"eth_getHeaderByHash", "eth_getBlockReceipts", "eth_getBlockTransactionCountByHash", "eth_getUncleCountByBlockHash", "debug_traceBlockByHash"} {
			add(method, hash)
		}
		add("eth_getTransactionByBlockHashAndIndex", hash, "0x0")
		add("eth_getTransactionByBlockHashAndIndex", hash, "0x7")
		add("eth_getRawTransactionByBlockHashAndIndex", hash, "0x0")
		add("eth_getBalance", account, map[string]any{"blockHash": hash})
		add("eth_getLogs", map[string]any{"blockHash": hash})
	}
	for _, hash := range append([]common.Hash{unknown}, c.hashes...) {
		for _, method := range []string{"eth_getTransactionByHash", "eth_getRawTransactionByHash", "eth_getTransactionReceipt", "debug_getRawTransaction", "debug_traceTransaction"} {
			add(method, hash)
		}
		add("debug_traceTransaction", hash, map[string]any{"tracer": "callTracer", "tracerConfig": map[string]any{"withLog": true}})
		add("debug_traceTransaction", hash, map[string]any{"tracer": "prestateTracer", "tracerConfig": map[string]any{"diffMode": true}})
	}
	for _, filter := range []map[string]any{
		{"fromBlock": "0x0", "toBlock": "latest"},
		{"fromBlock": "0x0", "toBlock": "latest", "address": c.logger},
		{"fromBlock": "0x0", "toBlock": "latest", "topics": []any{common.Hash{31: 0x42}}},
		{"fromBlock": "0x0", "toBlock": "latest", "topics": []any{nil, common.Hash{31: 0x42}}},
		{"fromBlock": "0x5", "toBlock": "0x2"},
		{"fromBlock": "0x0", "toBlock": "0x7fffffff"},
		{"fromBlock": "pending"}, {"blockHash": unknown, "fromBlock": "0x0"}, {"address": "0x12"},
	} {
		add("eth_getLogs", filter)
	}
	for _, message := range []map[string]any{
		{"from": account, "to": nobody, "value": "0x1"},
		{"from": nobody, "to": account, "value": "0x1"},
		{"from": account, "to": c.reverter},
		{"from": account, "to": c.logger, "data": common.Hash{31: 1}},
		{"from": account, "data": logging},
		{"from": account, "to": c.logger, "gas": "0x1"},
		{"from": account, "to": c.logger, "maxFeePerGas": "0x1"},
		{"from": account, "to": c.logger, "maxFeePerGas": "0x1", "gasPrice": "0x1"},
		{"to": c.logger, "data": "0x1"},
		{},
	} {
		for _, method := range []string{"eth_call", "eth_estimateGas", "eth_createAccessList"} {
			add(method, message, "latest")
		}
		add("eth_call", message, "latest", map[string]any{c.logger.Hex(): map[string]any{"code": "0x60015f5260205ff3", "balance": "0x7"}})
		add("debug_traceCall", message, "latest", map[string]any{"tracer": "callTracer"})
		add("eth_simulateV1", map[string]any{"blockStateCalls": []any{map[string]any{"calls": []any{message}}}}, "0x1")
	}
	for _, raw := range []string{"0x", "0x02", "0xzz", "0xf800"} {
		add("eth_sendRawTransaction", raw)
	}
	for _, method := range []string{"eth_chainId", "net_version", "net_listening", "net_peerCount", "eth_blockNumber", "eth_syncing", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_blobBaseFee", "eth_protocolVersion", "eth_mining", "eth_hashrate", "eth_coinbase", "eth_config", "txpool_status", "txpool_content", "txpool_inspect", "debug_getBadBlocks", "eth_nothing", "rpc_modules"} {
		add(method)
	}
	add("web3_sha3", "0x01")
	add("web3_sha3")
	add("eth_getBalance")
	add("eth_getBalance", "0x12", "latest")
	add("eth_getBalance", account, "latest", 7)
	add("eth_getStorageAt", c.logger, "0x"+strings.Repeat("1", 65), "latest")
	add("eth_getStorageAt", c.logger, "nothing", "latest")
	add("eth_feeHistory", "0x0", "latest", []float64{})
	add("eth_feeHistory", "0x2", "latest", []float64{75, 25})
	add("eth_feeHistory", "0x2", "latest", []float64{101})
	return all
}
