package walletrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"blindseq/dsn-node/internal/outbox"
	"blindseq/dsn-node/internal/rollup"
	"blindseq/dsn-node/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Error codes of JSON-RPC 2.0, and of EIP-1474.
const (
	codeMalformed     = -32700
	codeInvalid       = -32600
	codeUnknownMethod = -32601
	codeInvalidParams = -32602
	codeInternal      = -32603
	codeRefused       = -32000
	codeUnavailable   = -32002
	codeLimitExceeded = -32005
)

// What is not only forwarded.
const (
	methodSend   = "eth_sendRawTransaction"
	methodLookUp = "eth_getTransactionByHash"
)

// call is one request; raw is all of it.
type call struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	raw    json.RawMessage
}

func parse(raw json.RawMessage) (*call, bool) {
	c := &call{raw: raw}
	return c, json.Unmarshal(raw, c) == nil
}

// parseBatch returns the calls of a batch; one that is no call is nil.
func parseBatch(body []byte) ([]json.RawMessage, bool) {
	var raws []json.RawMessage
	return raws, json.Unmarshal(body, &raws) == nil
}

// notification tells whether nobody waits for an answer.
func (c *call) notification() bool { return len(c.ID) == 0 }

// send returns the plain transaction of a call that sends one. A bundle is not encrypted again but forwarded.
func (c *call) send() (raw []byte, mine bool, err *rpcError) {
	if c.Method != methodSend {
		return nil, false, nil
	}
	var params []hexutil.Bytes
	if json.Unmarshal(c.Params, &params) != nil || len(params) != 1 {
		return nil, true, &rpcError{Code: codeInvalidParams, Message: "params must be one raw transaction in hex with 0x"}
	}
	return params[0], !te.IsBundle(params[0]), nil
}

// lookUp returns the hash of a call that looks for a transaction.
func (c *call) lookUp() (common.Hash, bool) {
	var params []common.Hash
	if c.Method != methodLookUp || json.Unmarshal(c.Params, &params) != nil || len(params) != 1 {
		return common.Hash{}, false
	}
	return params[0], true
}

// leaks tells whether a method would carry a plain transaction past the encryption.
func (c *call) leaks() bool {
	return strings.HasPrefix(c.Method, "eth_send") && c.Method != methodSend || c.Method == "eth_resend" ||
		strings.HasPrefix(c.Method, "personal_") || strings.HasPrefix(c.Method, "mev_") || strings.HasPrefix(c.Method, "engine_")
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

var noID = json.RawMessage("null")

func id(c *call) json.RawMessage {
	if c == nil || c.notification() {
		return noID
	}
	return c.ID
}

func result(c *call, value any) json.RawMessage {
	return encode(map[string]any{"jsonrpc": "2.0", "id": id(c), "result": value})
}

func failure(c *call, e *rpcError) json.RawMessage {
	return encode(map[string]any{"jsonrpc": "2.0", "id": id(c), "error": e})
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil { // by an id or data that is no JSON, and those were parsed
		return json.RawMessage(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return b
}

// errorOf is the answer to a transaction that was not taken.
func errorOf(err error) *rpcError {
	refusal := (*rollup.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		return &rpcError{refusal.Code, refusal.Message, refusal.Data}
	case errors.Is(err, rollup.ErrAway):
		return &rpcError{Code: codeUnavailable, Message: "the rollup does not answer; the transaction is not kept here, though it may have arrived there: try again"}
	case errors.Is(err, outbox.ErrFull):
		return &rpcError{Code: codeLimitExceeded, Message: err.Error()}
	case errors.Is(err, outbox.ErrStorage):
		return &rpcError{Code: codeInternal, Message: "the bundler cannot keep transactions now"}
	}
	return &rpcError{Code: codeRefused, Message: err.Error()}
}

// pending is a transaction that waits, with nothing of what is in it.
func pending(hash common.Hash) map[string]any {
	zero := common.Hash{}
	return map[string]any{
		"hash": hash, "type": hexutil.Uint(te.BundleType), "blockHash": nil, "blockNumber": nil, "transactionIndex": nil,
		"from": common.Address{}, "to": nil, "nonce": "0x0", "value": "0x0", "gas": "0x0", "gasPrice": "0x0", "input": "0x",
		"v": "0x0", "r": zero, "s": zero,
	}
}

// answered is what can be read of an answer of the rollup.
type answered struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// foundNothing tells whether an answer is an empty result.
func foundNothing(answer json.RawMessage) bool {
	var a answered
	return json.Unmarshal(answer, &a) == nil && len(a.Error) == 0 && (len(a.Result) == 0 || bytes.Equal(a.Result, noID))
}
