package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/gorilla/websocket"
)

// badCall is a request with the JSON-RPC error it must end in.
type badCall struct {
	what, body string
	code       int
	says       string // part of the message
}

func raw(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
}

// malformed are requests that no method is needed to refuse.
var malformed = []badCall{
	{"cut-off JSON", `{"jsonrpc":`, -32700, ""},
	{"no JSON", `hello`, -32700, ""},
	{"a string", `"eth_chainId"`, -32600, ""},
	{"an empty batch", `[]`, -32600, "empty"},
	{"no method", `{"jsonrpc":"2.0","id":1}`, -32600, ""},
	{"an unknown method", raw("eth_nope", `[]`), -32601, "eth_nope"},
}

func badJSONRPC(t *testing.T, c *cluster.Cluster, accounts []*load.Account) {
	calls := append([]badCall{
		{"a wrong type", raw("eth_getBalance", `[5,"latest"]`), -32602, "argument 0"},
		{"a missing argument", raw("eth_getBalance", `[]`), -32602, "argument 0"},
		{"too many arguments", raw("eth_chainId", `[1]`), -32602, "too many arguments"},
		{"a negative number", raw("eth_getBlockByNumber", `["-0x1",false]`), -32602, "argument 0"},
		{"a number over 64 bits", raw("eth_getBlockByNumber", `["0xffffffffffffffffff",false]`), -32602, "argument 0"},
		{"bad hex", raw("eth_sendRawTransaction", `["0xzz"]`), -32602, "hex"},
		{"hex without 0x", raw("eth_sendRawTransaction", `["c0"]`), -32602, "hex"},
		{"an odd number of digits", raw("eth_sendRawTransaction", `["0xc0c"]`), -32602, "hex"},
		{"an empty transaction", raw("eth_sendRawTransaction", `["0x"]`), 0, "transaction"},
		{"no transaction", raw("eth_sendRawTransaction", `["0xdeadbeef"]`), 0, "transaction"},
	}, malformed...)
	calls = append(calls, badTransactions(t, accounts)...)
	for _, at := range []struct{ name, url string }{{"gateway", c.RPC}, {"producer", c.Direct}} {
		for _, call := range calls {
			t.Run(at.name+"/"+call.what, func(t *testing.T) { refused(t, at.url, call) })
		}
		t.Run(at.name+"/oversized body", func(t *testing.T) {
			status, answer := post(t, at.url, raw("eth_sendRawTransaction", `["0x`+strings.Repeat("00", 4<<20)+`"]`))
			if status != http.StatusRequestEntityTooLarge && !strings.Contains(answer, "too large") {
				t.Fatalf("status %d: %.200s", status, answer)
			}
		})
	}
}

// badTransactions are well-formed calls with transactions that must not enter the pool.
func badTransactions(t *testing.T, accounts []*load.Account) []badCall {
	t.Helper()
	key, err := crypto.GenerateKey() // has nothing
	must(t, err)
	to := accounts[1].Address
	fields := func() *types.DynamicFeeTx {
		return &types.DynamicFeeTx{
			GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei), Gas: 21_000, To: &to, Value: common.Big1,
		}
	}
	call := func(what, says string, from *load.Account, tx *types.DynamicFeeTx) badCall {
		signer := *from // the account's nonce stays
		signed, err := signer.Sign(tx)
		must(t, err)
		encoded, err := signed.MarshalBinary()
		must(t, err)
		return badCall{what, raw("eth_sendRawTransaction", `["`+hexutil.Encode(encoded)+`"]`), 0, says}
	}
	rich, poor := accounts[2], load.NewAccount(key, big.NewInt(1337))
	tooLow, tooMuch, tooLarge, unfunded := fields(), fields(), fields(), fields()
	tooLow.Gas = 20_999
	tooMuch.Gas, tooMuch.GasFeeCap = 300_000_000, big.NewInt(2*params.GWei)
	tooLarge.Data = make([]byte, 600_000)
	tooLarge.Gas = 10_000_000
	unfunded.Value = new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))
	used := *accounts[0]
	used.Nonce = 0
	return []badCall{
		call("a used nonce", "nonce too low", &used, fields()),
		call("another chain's id", "chain", load.NewAccount(key, big.NewInt(1)), fields()),
		call("a sender without funds", "insufficient funds", poor, fields()),
		call("more than the sender has", "insufficient funds", rich, unfunded),
		call("too little gas", "intrinsic gas too low", rich, tooLow),
		call("more gas than a block has", "gas", rich, tooMuch),
		call("more bytes than a blueprint has", "", rich, tooLarge),
		{"a signature that is none", raw("eth_sendRawTransaction", `["`+unsigned(t)+`"]`), 0, "invalid"},
		{"an unknown type", raw("eth_sendRawTransaction", `["0x7ec0"]`), 0, "not supported"},
	}
}

func unsigned(t *testing.T) string {
	t.Helper()
	to := common.Address{1}
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1337), GasFeeCap: big.NewInt(params.GWei), Gas: 21_000, To: &to,
		V: common.Big1, R: big.NewInt(5), S: new(big.Int).Sub(crypto.S256().Params().N, common.Big1),
	})
	encoded, err := tx.MarshalBinary()
	must(t, err)
	return hexutil.Encode(encoded)
}

func badPrivate(t *testing.T, c *cluster.Cluster) {
	for _, call := range append([]badCall{
		{"a timestamp that is none", raw("produceBlock", `"yesterday"`), -32602, "timestamp"},
		{"a timestamp of the wrong type", raw("produceBlock", `[true]`), -32602, ""},
		{"an unknown field", raw("produceBlock", `{"nope":1}`), -32602, "nope"},
		{"a flag of the wrong type", raw("produceBlock", `{"with_delayed_transactions":"no"}`), -32602, ""},
		{"a timestamp from the far future", raw("produceBlock", `"2999-01-01T00:00:00Z"`), 0, "timestamp"},
		{"a timestamp before the head's", raw("produceBlock", `"5"`), 0, "timestamp"},
	}, malformed...) {
		t.Run(call.what, func(t *testing.T) { refused(t, c.Private, call) })
	}
}

func badWebSocket(t *testing.T, c *cluster.Cluster) {
	for _, call := range malformed {
		t.Run(call.what, func(t *testing.T) {
			conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), c.WS, nil)
			must(t, err)
			defer resp.Body.Close()
			defer conn.Close()
			must(t, conn.WriteMessage(websocket.TextMessage, []byte(call.body)))
			_, answer, err := conn.ReadMessage()
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			judgeAnswer(t, http.StatusOK, string(answer), call)
		})
	}
}

func refused(t *testing.T, url string, call badCall) {
	t.Helper()
	status, answer := post(t, url, call.body)
	judgeAnswer(t, status, answer, call)
}

func judgeAnswer(t *testing.T, status int, answer string, call badCall) {
	t.Helper()
	var got struct {
		Error *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Error == nil {
		t.Fatalf("status %d, no JSON-RPC error: %.300s", status, answer)
	}
	if call.code != 0 && got.Error.Code != call.code {
		t.Errorf("code %d (%s), want %d", got.Error.Code, got.Error.Message, call.code)
	}
	if got.Error.Message == "" || !strings.Contains(strings.ToLower(got.Error.Message), strings.ToLower(call.says)) {
		t.Errorf("message %q does not say %q", got.Error.Message, call.says)
	}
}

func post(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(got)
}
