package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

var (
	chainID = big.NewInt(chain.DevChainID)
	signer  = types.NewPragueSigner(chainID)
	nobody  = common.HexToAddress("0xbeef")
)

// hold is longer than any test waits.
const hold = time.Minute

// served is a chain with its JSON-RPC on a port, and blocks on demand.
type served struct {
	t     testing.TB
	chain *chain.Chain
	store *txstore.Store
	keep  *txstore.Keeper
	url   string
}

func serve(t testing.TB, limits rpc.Limits) *served { return serveWith(t, limits, nil) }

// serveAt is as if the head had a number.
func serveAt(t testing.TB, head uint64) *served {
	return serveWith(t, rpc.Limits{}, func() uint64 { return head })
}

func serveWith(t testing.TB, limits rpc.Limits, head func() uint64) *served {
	t.Helper()
	return serveKeeping(t, chain.History{}, limits, head)
}

// serveKeeping keeps a history of states.
func serveKeeping(t testing.TB, history chain.History, limits rpc.Limits, head func() uint64) *served {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	c, err := chain.Open(chain.Config{Dir: dir + "/chain", History: history, Log: log})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	store, err := txstore.Open(dir+"/transactions", txstore.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	keep := txstore.NewKeeper(store, c, txstore.Limits{})
	server, err := rpc.NewServer(rpc.Config{Address: "127.0.0.1:0", Limits: limits, ReceiptHold: hold, Head: head, Log: log, Steps: oneStep}, c, plain{keep})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return &served{t: t, chain: c, store: store, keep: keep, url: server.Addr()}
}

// plain is transactions of which none is sealed.
type plain struct{ *txstore.Keeper }

func (p plain) Status(hash common.Hash) (at rpc.Standing, err error) {
	at.State, at.Number, at.Reason, err = p.Keeper.Status(hash)
	return at, err
}

func (plain) Resolve(hash common.Hash) (common.Hash, error) { return hash, nil }

// block makes a block of what the pool offers.
func (s *served) block() chain.Result {
	s.t.Helper()
	ctx := context.Background()
	raws, err := s.chain.Content(ctx, chain.Limits{Bytes: 500_000})
	must(s.t, err)
	number, hash, timestamp := s.chain.Head()
	result, err := s.chain.Apply(ctx, chain.Block{Number: number + 1, ParentHash: hash, Timestamp: timestamp + 1, Transactions: raws})
	must(s.t, err)
	must(s.t, s.keep.Applied(result.Number, result.Included, nil, nil))
	return result
}

// post sends a body and gives status and answer.
func (s *served) post(body string) (int, string) {
	s.t.Helper()
	response, err := http.Post("http://"+s.url, "application/json", strings.NewReader(body))
	must(s.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(s.t, err)
	return response.StatusCode, strings.TrimSpace(string(answer))
}

func (s *served) dial(scheme, path string) *gethrpc.Client {
	s.t.Helper()
	client, err := gethrpc.Dial(scheme + "://" + s.url + path)
	must(s.t, err)
	s.t.Cleanup(client.Close)
	return client
}

func transfer(t testing.TB, from int, nonce uint64) *types.Transaction {
	t.Helper()
	accounts, err := devaccounts.All()
	must(t, err)
	tx, err := types.SignNewTx(accounts[from].Key, signer, &types.DynamicFeeTx{ChainID: chainID, Nonce: nonce, To: &nobody,
		Gas: params.TxGas, Value: big.NewInt(1), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(50 * params.GWei)})
	must(t, err)
	return tx
}

func raw(t testing.TB, tx *types.Transaction) string {
	t.Helper()
	bytes, err := tx.MarshalBinary()
	must(t, err)
	return hexutil.Encode(bytes)
}

func send(id string, param string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"eth_sendRawTransaction","params":[%q]}`, id, param)
}

func TestAWalletSendsATransferAndGetsItsReceipt(t *testing.T) {
	for _, url := range []string{"http", "ws"} {
		t.Run(url, func(t *testing.T) {
			s := serve(t, rpc.Limits{})
			client := ethclient.NewClient(s.dial(url, "/ws"))
			tx := transfer(t, 0, 0)
			_, err := client.TransactionReceipt(t.Context(), tx.Hash())
			wantText(t, err, "not found") // and not "indexing is in progress"
			must(t, client.SendTransaction(t.Context(), tx))
			wantText(t, client.SendTransaction(t.Context(), tx), "already known")
			equal(t, "durable", s.store.Has(tx.Hash()), true)
			number, err := client.BlockNumber(t.Context())
			must(t, err)
			equal(t, "block number before", number, 0)
			s.awaitPending(tx.Hash())
			result := s.block()
			number, err = client.BlockNumber(t.Context())
			must(t, err)
			equal(t, "block number after", number, 1)
			receipt, err := client.TransactionReceipt(t.Context(), tx.Hash())
			must(t, err)
			equal(t, "block", receipt.BlockHash, result.Hash)
			for _, tag := range []int64{-3, -4} { // finalized, safe
				header, err := client.HeaderByNumber(t.Context(), big.NewInt(tag))
				must(t, err)
				equal(t, "tagged block", header.Hash(), result.Hash)
			}
		})
	}
}

func TestABatchOfTransactionsIsAnsweredLikeSingleCalls(t *testing.T) {
	s := serve(t, rpc.Limits{})
	first, second := transfer(t, 0, 0), transfer(t, 1, 0)
	wrong := `"0x7e01"`
	body := "[" + strings.Join([]string{
		send("1", raw(t, first)), send(`"two"`, raw(t, second)), send("3", raw(t, first)),
		send("null", strings.Trim(wrong, `"`)), send("5", "0x"),
	}, ",") + "]"
	status, answer := s.post(body)
	equal(t, "status", status, http.StatusOK)
	var inBatch []json.RawMessage
	must(t, json.Unmarshal([]byte(answer), &inBatch))
	equal(t, "answers", len(inBatch), 5)
	equal(t, "first", string(inBatch[0]), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":%q}`, first.Hash().Hex()))
	equal(t, "second", string(inBatch[1]), fmt.Sprintf(`{"jsonrpc":"2.0","id":"two","result":%q}`, second.Hash().Hex()))
	equal(t, "count", s.store.Count(), 2)

	for i, single := range []string{send("3", raw(t, first)), send("null", "0x7e01"), send("5", "0x")} {
		_, answer := s.post(single)
		equal(t, "single call", answer, string(inBatch[i+2]))
	}
}

func TestOtherBatchesGetTheUsualAnswers(t *testing.T) {
	s := serve(t, rpc.Limits{BatchItems: 3})
	tx := raw(t, transfer(t, 0, 0))
	cases := []struct{ name, body, want string }{
		{"mixed", `[` + send("1", "0x7e01") + `,{"jsonrpc":"2.0","id":2,"method":"eth_chainId"}]`, `"id":2,"result":"0x539"`},
		{"not hex", `[` + send("1", "zz") + `]`, `"code":-32602`},
		{"no params", `[{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction"}]`, `missing value for required argument 0`},
		{"two params", `[{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01","0x02"]}]`, `too many arguments`},
		{"too many", `[` + strings.Repeat(send("1", tx)+",", 3) + send("1", tx) + `]`, `batch too large`},
		{"empty", `[]`, `empty batch`},
		{"broken", `[{"jsonrpc"`, `"code":-32700`},
		{"nothing known", `{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}`, `"code":-32601`},
		{"wrong type", `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[1]}`, `"code":-32602`},
	}
	for _, one := range cases {
		if _, answer := s.post(one.body); !strings.Contains(answer, one.want) {
			t.Errorf("%s: %s does not say %s", one.name, answer, one.want)
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	s := serve(t, rpc.Limits{BodyBytes: 1000})
	status, answer := s.post(`[` + strings.Repeat(" ", 1000) + `]`)
	equal(t, "status", status, http.StatusRequestEntityTooLarge)
	equal(t, "answer", answer, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"request body is larger than 1000 bytes"}}`)
	request, err := http.NewRequest(http.MethodPost, "http://"+s.url, io.MultiReader(bytes.NewReader(make([]byte, 2000)))) // length not announced
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	response.Body.Close()
	equal(t, "chunked", response.StatusCode, http.StatusRequestEntityTooLarge)

	var ignored string
	err = s.dial("ws", "/").Call(&ignored, "web3_sha3", "0x"+strings.Repeat("00", 2000))
	if err == nil {
		t.Error("a large WebSocket message was answered")
	}
}

func TestSendSyncAnswersWithTheReceipt(t *testing.T) {
	s := serve(t, rpc.Limits{})
	tx := transfer(t, 0, 0)
	client := s.dial("http", "/")
	answered := make(chan error, 1)
	var receipt types.Receipt
	go func() {
		answered <- client.Call(&receipt, "eth_sendRawTransactionSync", raw(t, tx), 5000)
	}()
	s.awaitPending(tx.Hash())
	result := s.block()
	must(t, <-answered)
	equal(t, "block", receipt.BlockHash, result.Hash)

	err := client.Call(&receipt, "eth_sendRawTransactionSync", raw(t, transfer(t, 1, 0)), 1)
	wantCode(t, err, 4)
}

// A call for the receipt of what is pending waits for its block; others are answered at once.
func TestACallForThePendingReceiptWaitsForTheBlock(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	tx, later := transfer(t, 0, 0), transfer(t, 1, 0)
	var hash common.Hash
	must(t, client.Call(&hash, "eth_sendRawTransaction", raw(t, tx)))
	answers := make(chan types.Receipt, 3)
	go func() { // as ethers does, which asks for the chain's id with each call
		var receipt types.Receipt
		var id hexutil.Uint64
		batch := []gethrpc.BatchElem{
			{Method: "eth_getTransactionReceipt", Args: []any{tx.Hash()}, Result: &receipt}, {Method: "eth_chainId", Result: &id},
		}
		if err := client.BatchCall(batch); err != nil || batch[0].Error != nil || uint64(id) != chain.DevChainID {
			t.Error(err, batch[0].Error, id)
		}
		answers <- receipt
	}()
	for _, c := range []struct {
		method string
		params []any
	}{
		{"eth_getTransactionReceipt", []any{tx.Hash()}},
		{"te_awaitReceipt", []any{later.Hash(), 60_000}}, // which is not here yet
	} {
		go func() {
			var receipt types.Receipt
			if err := client.Call(&receipt, c.method, c.params...); err != nil {
				t.Error(err)
			}
			answers <- receipt
		}()
	}
	var none json.RawMessage
	must(t, client.Call(&none, "eth_getTransactionReceipt", common.Hash{1}))
	must(t, client.Call(&none, "te_awaitReceipt", common.Hash{1}, 1))
	equal(t, "an unknown one", string(none), "null")
	must(t, s.dial("ws", "/").Call(&none, "eth_getTransactionReceipt", tx.Hash()))
	equal(t, "by WebSocket", string(none), "null")
	must(t, client.Call(&hash, "eth_sendRawTransaction", raw(t, later)))
	s.awaitPending(later.Hash())
	result := s.block()
	for range cap(answers) {
		receipt := <-answers
		equal(t, "block", receipt.BlockHash, result.Hash)
	}
}

// A query for logs up to the head is answered; one over too many blocks says where to go on.
func TestAQueryForLogsSpansSoManyBlocks(t *testing.T) {
	for _, c := range []struct {
		head     uint64
		from, to string
		want     string // of the error; empty for none
	}{
		{0, "0x0", "latest", ""}, {9_999, "0x0", "latest", ""}, {9_999, "earliest", "pending", ""},
		{10_000, "0x0", "latest", "ask for blocks 0 to 9999, then go on from block 10000"},
		{10_000, "earliest", "0x2710", "ask for blocks 0 to 9999"}, {10_000, "0x1", "latest", ""},
		{50_000, "0x64", "0x7d00", "ask for blocks 100 to 10099, then go on from block 10100"}, {50_000, "latest", "latest", ""}, {50_000, "0x7d00", "0x64", ""},
	} {
		s := serveAt(t, c.head)
		_, answer := s.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":%q,"toBlock":%q}]}`, c.from, c.to))
		if limited := strings.Contains(answer, "-32005"); limited != (c.want != "") || !strings.Contains(answer, c.want) {
			t.Errorf("head %d, %s to %s: %s", c.head, c.from, c.to, answer)
		}
	}
}

// One client cannot have the node's connections wait for receipts: beyond a bound calls are answered at once.
func TestCallsForReceiptsThatWaitAreBounded(t *testing.T) {
	s := serve(t, rpc.Limits{HeldReceipts: 1})
	client := s.dial("http", "/")
	ask := func(ctx context.Context) error {
		var none json.RawMessage
		return client.CallContext(ctx, &none, "te_awaitReceipt", common.Hash{1}, 60_000)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ask(ctx) == nil { // the other one has the place
		}
	}()
	for answered := false; !answered; {
		bounded, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
		answered = ask(bounded) == nil // the other one waits
		end()
	}
	cancel()
	<-ended
	for { // who left has given its place back
		bounded, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := ask(bounded)
		end()
		if errors.Is(err, context.DeadlineExceeded) { // it waits
			return
		}
		must(t, err)
	}
}

// One client that comes through a gateway holds no more than its share of calls, so that its other requests have room there.
func TestCallsOfOneClientThatWaitAreBounded(t *testing.T) {
	s := serve(t, rpc.Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), hold/2)
	defer cancel()
	ask := func(ctx context.Context, client string) error {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"te_awaitReceipt","params":[%q,%d]}`, common.Hash{1}, hold.Milliseconds())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.url, strings.NewReader(body))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("User-Agent", jsonrpc.Behalf(client, 1))
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	const share = 64
	answers := make(chan error, share+1)
	for range cap(answers) {
		go func() { answers <- ask(ctx, "one") }()
	}
	must(t, <-answers) // one too many, answered at once
	bounded, end := context.WithTimeout(ctx, 200*time.Millisecond)
	defer end()
	if err := ask(bounded, "another"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another client does not wait: %v", err)
	}
	cancel()
	for range share {
		if err := <-answers; err == nil {
			t.Error("more than one call was answered at once")
		}
	}
}

// Whoever sends in a batch reads the chain with the transaction in it, in whatever order the calls are.
func TestABatchThatSendsIsAnsweredWithItsBlock(t *testing.T) {
	s := serve(t, rpc.Limits{})
	first, second := transfer(t, 0, 0), transfer(t, 1, 0)
	answers := make(chan string, 1)
	go func() {
		_, answer := s.post("[" + strings.Join([]string{
			`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`, send("2", raw(t, first)), send("3", raw(t, second)),
			send("4", raw(t, first)), send("5", "0x7e01"), `{"jsonrpc":"2.0","id":6,"method":"eth_chainId","params":[]}`,
		}, ",") + "]")
		answers <- answer
	}()
	s.awaitPending(first.Hash())
	s.awaitPending(second.Hash())
	s.block()
	var got []struct {
		ID     int
		Result string
		Error  *struct{ Message string }
	}
	must(t, json.Unmarshal([]byte(<-answers), &got))
	equal(t, "answers", len(got), 6)
	for i, want := range []string{"0x1", first.Hash().Hex(), second.Hash().Hex(), "", "", "0x539"} {
		equal(t, "id", got[i].ID, i+1)
		equal(t, fmt.Sprint("result ", i+1), got[i].Result, want)
		equal(t, fmt.Sprint("error ", i+1), got[i].Error != nil, want == "")
	}
	equal(t, "the repeat", got[3].Error.Message, "already known")
}

func TestSubscribersSeeABlockAndItsLogs(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := ethclient.NewClient(s.dial("ws", "/"))
	heads := make(chan *types.Header, 1)
	sub, err := client.SubscribeNewHead(t.Context(), heads)
	must(t, err)
	defer sub.Unsubscribe()
	result := s.block()
	select {
	case head := <-heads:
		equal(t, "head", head.Hash(), result.Hash)
	case <-time.After(5 * time.Second):
		t.Fatal("no head announced")
	}
}

func TestTransactionStatusSaysWhereATransactionIs(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	status := func(hash common.Hash) (answer rpc.TransactionStatus) {
		must(t, client.Call(&answer, "te_getTransactionStatus", hash))
		return answer
	}
	equal(t, "unknown", status(common.Hash{1}).Status, "unknown")
	tx := transfer(t, 0, 0)
	_, errs := s.keep.Submit(t.Context(), [][]byte{hexutil.MustDecode(raw(t, tx))})
	must(t, errs[0])
	s.awaitPending(tx.Hash())
	equal(t, "pending", status(tx.Hash()).Status, "pending")
	s.block()
	answer := status(tx.Hash())
	equal(t, "included", answer.Status, "included")
	equal(t, "block", uint64(*answer.BlockNumber), 1)
	must(t, s.store.End([]txstore.Ending{{Hash: common.Hash{2}, Kind: txstore.Skipped, Number: 1, Reason: "why"}}))
	answer = status(common.Hash{2})
	equal(t, "skipped", answer.Status, "skipped")
	equal(t, "reason", answer.Reason, "why")
	wantCode(t, client.Call(&answer, "te_getTransactionStatus", "0x12"), -32602)
}

func TestOnlyHarmlessMethodsAreServed(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	var answer any
	for _, method := range []string{"admin_nodeInfo", "admin_exportChain", "personal_listAccounts", "miner_setGasPrice", "debug_setHead",
		"debug_traceBlockFromFile", "debug_standardTraceBlockToFile", "debug_standardTraceBadBlockToFile", "debug_chaindbCompact",
		"debug_startCPUProfile", "engine_exchangeCapabilities"} {
		wantCode(t, client.Call(&answer, method), -32601)
	}
	tx := transfer(t, 0, 0)
	must(t, ethclient.NewClient(client).SendTransaction(t.Context(), tx))
	s.awaitPending(tx.Hash())
	s.block()
	must(t, client.Call(&answer, "debug_traceTransaction", tx.Hash(), map[string]string{"tracer": "callTracer"}))
	must(t, client.Call(&answer, "debug_traceTransaction", tx.Hash()))
	wantText(t, client.Call(&answer, "debug_traceTransaction", tx.Hash(), map[string]string{"tracer": "{}"}), "JavaScript")
	for _, method := range []string{"eth_syncing", "eth_gasPrice", "eth_accounts", "net_version", "web3_clientVersion", "txpool_status", "eth_feeHistory"} {
		params := []any{}
		if method == "eth_feeHistory" {
			params = []any{"0x2", "latest", []int{50}}
		}
		if err := client.Call(&answer, method, params...); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAnotherPathIsNotFound(t *testing.T) {
	s := serve(t, rpc.Limits{})
	response, err := http.Post("http://"+s.url+"/private", "application/json", strings.NewReader("{}"))
	must(t, err)
	response.Body.Close()
	equal(t, "status", response.StatusCode, http.StatusNotFound)
}

func TestABusyAddressIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	s := serve(t, rpc.Limits{})
	_, err = rpc.NewServer(rpc.Config{Address: listener.Addr().String(), Log: slog.New(slog.DiscardHandler)}, s.chain, plain{s.keep})
	wantText(t, err, "start JSON-RPC")
}

// awaitPending waits until the pool offers the transaction, which it does shortly after taking it.
func (s *served) awaitPending(hash common.Hash) {
	s.t.Helper()
	work, cancel := s.chain.Work()
	defer cancel()
	deadline := time.After(5 * time.Second)
	for {
		if state, _ := s.chain.Status(hash); state == chain.TxPending {
			return
		}
		select {
		case <-work:
		case <-deadline:
			s.t.Fatal("transaction did not become pending")
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func wantText(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want one that says %q", err, want)
	}
}

func wantCode(t testing.TB, err error, want int) {
	t.Helper()
	var coded gethrpc.Error
	if !errors.As(err, &coded) || coded.ErrorCode() != want {
		t.Errorf("got error %v, want code %d", err, want)
	}
}
