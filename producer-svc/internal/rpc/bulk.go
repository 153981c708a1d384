package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const sendMethod = "eth_sendRawTransaction"

// bulk serves HTTP batches made of nothing but eth_sendRawTransaction calls in one go. Geth's server would take them one
// after the other, each with its signature to recover, its turn at the pool and its fsync. The answers are the same.
// Whatever is not exactly such a batch is left to geth's server, so that odd requests get the usual errors.
type bulk struct {
	txs   Transactions
	items int
}

// call is one request. Pointers tell a missing field from an empty one.
type call struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  []hexutil.Bytes `json:"params"`
}

// serve answers the batch, or says that it is not one for it.
func (b *bulk) serve(r *http.Request, body []byte) ([]byte, bool) {
	calls, ok := b.parse(r, body)
	if !ok {
		return nil, false
	}
	raws := make([][]byte, len(calls))
	for i := range calls {
		raws[i] = calls[i].Params[0]
	}
	hashes, errs := b.txs.Submit(r.Context(), raws)
	return encodeAnswers(calls, hashes, errs), true
}

func (b *bulk) parse(r *http.Request, body []byte) ([]call, bool) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] != '[' || !bytes.Contains(body, []byte(sendMethod)) || !isJSON(r) {
		return nil, false
	}
	var calls []call
	if json.Unmarshal(body, &calls) != nil || len(calls) == 0 || len(calls) > b.items {
		return nil, false
	}
	for i := range calls {
		if !calls[i].isSend() {
			return nil, false
		}
	}
	return calls, true
}

// isSend leaves out notifications and ids that JSON-RPC does not allow.
func (c *call) isSend() bool {
	return c.Version == "2.0" && c.Method == sendMethod && len(c.Params) == 1 && c.Params[0] != nil &&
		len(c.ID) > 0 && c.ID[0] != '{' && c.ID[0] != '['
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == contentType
}

// encodeAnswers writes what encoding/json would, at a tenth of its cost.
func encodeAnswers(calls []call, hashes []common.Hash, errs []error) []byte {
	const perAnswer = 128
	out := make([]byte, 0, perAnswer*len(calls)+2)
	for i := range calls {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		out = append(out, separator)
		out = append(out, `{"jsonrpc":"2.0","id":`...)
		out = append(out, calls[i].ID...)
		if errs[i] != nil {
			out = appendError(out, errs[i])
		} else {
			out = append(out, `,"result":"`...)
			out = append(out, hashes[i].Hex()...)
			out = append(out, '"')
		}
		out = append(out, '}')
	}
	return append(out, ']')
}

func appendError(out []byte, err error) []byte {
	const defaultCode = -32000
	code := defaultCode
	if coded := gethrpc.Error(nil); errors.As(err, &coded) {
		code = coded.ErrorCode()
	}
	message, _ := json.Marshal(err.Error()) // a string always encodes
	out = append(out, `,"error":{"code":`...)
	out = strconv.AppendInt(out, int64(code), 10)
	out = append(out, `,"message":`...)
	out = append(out, message...)
	if with := gethrpc.DataError(nil); errors.As(err, &with) && with.ErrorData() != nil {
		if data, err := json.Marshal(with.ErrorData()); err == nil { // as geth's server does
			out = append(append(out, `,"data":`...), data...)
		}
	}
	return append(out, '}')
}
