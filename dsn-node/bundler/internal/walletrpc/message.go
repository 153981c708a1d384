package walletrpc

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/peers"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/jsonrpc"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// What is not only forwarded.
const (
	methodSend    = "eth_sendRawTransaction"
	methodSync    = "eth_sendRawTransactionSync" // EIP-7966
	methodLookUp  = "eth_getTransactionByHash"
	methodRaw     = "eth_getRawTransactionByHash"
	methodNonce   = "eth_getTransactionCount"
	methodReceipt = "eth_getTransactionReceipt"
	methodStatus  = "te_getTransactionStatus"
	methodProof   = "te_getOrderProof"
	methodAwait   = "te_awaitReceipt" // of an observer
)

// call is one request.
type call struct {
	Version string                                       `json:"jsonrpc"`
	ID      json.RawMessage                              `json:"id"`
	Method  string                                       `json:"method"`
	Params  json.RawMessage                              `json:"params"`
	raw     json.RawMessage                              // what is forwarded
	to      Forwarder                                    // the node that it is forwarded to
	plain   json.RawMessage                              // what to forward to a node that does not know the method of raw; nil for nothing
	alone   bool                                         // in no batch
	held    *common.Hash                                 // of a batch: the transaction whose block the batch waits for a while; nil for none
	mend    func(answer json.RawMessage) json.RawMessage // makes what waits here part of a node's answer; nil for nothing
}

// parse reads a call. What is none, as geth judges, has its id if that can be read. What is forwarded is written anew from what was read
// and judged: of a field that a client wrote twice, or in another case, a node would perhaps take the other one.
func parse(raw json.RawMessage) (*call, bool) {
	c := new(call)
	_ = json.Unmarshal(raw, c) // what is of another type stays empty
	valid := jsonrpc.ValidID(c.ID)
	if !valid && len(c.ID) > 0 || c.Version != "2.0" || c.Method == "" {
		if !valid {
			c.ID = nil
		}
		return c, false
	}
	var params any
	if len(c.Params) > 0 {
		params = c.Params
	}
	c.raw = c.encode(c.Method, params)
	return c, true
}

// encode is the call with a method and its parameters.
func (c *call) encode(method string, params any) json.RawMessage {
	return jsonrpc.Encode(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Method  string          `json:"method"`
		Params  any             `json:"params,omitempty"`
	}{"2.0", c.ID, method, params})
}

// parseBatch returns the calls of a batch; one that is no call is nil.
func parseBatch(body []byte) ([]json.RawMessage, bool) {
	var raws []json.RawMessage
	return raws, json.Unmarshal(body, &raws) == nil
}

// notification tells whether nobody waits for an answer.
func (c *call) notification() bool { return len(c.ID) == 0 }

// sending is a transaction that a call sends.
type sending struct {
	raw  hexutil.Bytes
	wait time.Duration // for the receipt; 0 for not at all
}

// LogValue is the transaction's hash, as it would be of what is no transaction.
func (s sending) LogValue() slog.Value { return slog.StringValue(crypto.Keccak256Hash(s.raw).Hex()) }

// send returns what a call sends. A sealed transaction is not sealed again but forwarded.
func (c *call) send() (s sending, mine bool, err *jsonrpc.Error) {
	if c.Method != methodSend && c.Method != methodSync {
		return s, false, nil
	}
	var params []json.RawMessage
	most := 1
	if c.Method == methodSync {
		s.wait, most = syncTimeoutDefault, 2
	}
	if json.Unmarshal(c.Params, &params) != nil || len(params) < 1 || len(params) > most || json.Unmarshal(params[0], &s.raw) != nil {
		return s, true, &jsonrpc.Error{Code: jsonrpc.InvalidParams, Message: "params must begin with one raw transaction in hex with 0x"}
	}
	if len(params) == 2 {
		var milliseconds *uint64
		if json.Unmarshal(params[1], &milliseconds) != nil {
			return s, true, &jsonrpc.Error{Code: jsonrpc.InvalidParams, Message: "the timeout must be a number of milliseconds"}
		}
		if milliseconds != nil && *milliseconds > 0 {
			s.wait = time.Duration(min(*milliseconds, uint64(syncTimeoutMax/time.Millisecond))) * time.Millisecond
		}
	}
	return s, !seal.IsSealed(s.raw), nil
}

// id is null for what is no call.
func (c *call) id() json.RawMessage {
	if c == nil {
		return nil
	}
	return c.ID
}

func result(c *call, value any) json.RawMessage { return jsonrpc.Result(c.id(), value) }

func failure(c *call, e jsonrpc.Error) json.RawMessage { return jsonrpc.Failure(c.id(), e) }

// ErrorOf is the answer to a transaction that was not taken.
func ErrorOf(err error) jsonrpc.Error {
	refusal := (*rollup.Refusal)(nil)
	switch {
	case errors.Is(err, peers.ErrAway):
		return jsonrpc.Error{Code: jsonrpc.Unavailable, Message: err.Error() + "; try again"}
	case errors.Is(err, rollup.ErrObserver):
		return jsonrpc.Error{Code: jsonrpc.Unavailable, Message: "the bundler's observer does not answer; nothing was sent: try again"}
	case errors.As(err, &refusal):
		return jsonrpc.Error{Code: refusal.Code, Message: refusal.Message, Data: refusal.Data}
	case errors.Is(err, rollup.ErrAway):
		return jsonrpc.Error{Code: jsonrpc.Unavailable, Message: "the rollup does not answer; nothing was sent: try again"}
	case errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrAccountFull):
		return jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()}
	case errors.Is(err, outbox.ErrStorage):
		return jsonrpc.Error{Code: jsonrpc.Internal, Message: "the bundler cannot keep transactions now"}
	}
	return jsonrpc.Error{Code: jsonrpc.Refused, Message: err.Error()}
}

// byID makes a call ask for the status of a sealed transaction instead of the one inside.
func (c *call) byID(id common.Hash) {
	c.raw = c.encode(c.Method, []common.Hash{id})
}

// awaits makes a call for a receipt wait for it at the observer, which knows nothing of the transaction before its block.
func (c *call) awaits(hash common.Hash, atMost time.Duration) {
	c.plain = c.raw
	c.raw = c.encode(methodAwait, []any{hash, atMost.Milliseconds()})
}

// answered is what can be read of an answer of the rollup.
type answered struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// unknownMethod tells whether a node does not have the method that was called.
func unknownMethod(answer json.RawMessage) bool {
	var a struct{ Error struct{ Code int } }
	return json.Unmarshal(answer, &a) == nil && a.Error.Code == jsonrpc.UnknownMethod
}

// foundNothing tells whether an answer is an empty result.
func foundNothing(answer json.RawMessage) bool {
	var a answered
	return json.Unmarshal(answer, &a) == nil && len(a.Error) == 0 && (len(a.Result) == 0 || string(a.Result) == "null" || string(a.Result) == `"0x"`)
}
