// Package jsonrpc encodes the JSON-RPC 2.0 answers and errors that a proxy gives itself, with the ids of the requests. A proxy
// need not parse what it only forwards.
//
// It guarantees that its output is valid JSON for every request.
package jsonrpc

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
)

// Error codes: those of JSON-RPC 2.0, and of EIP-1474 where it has one.
const (
	Malformed      = -32700
	InvalidRequest = -32600
	UnknownMethod  = -32601
	InvalidParams  = -32602
	Internal       = -32603
	// Refused: what was asked was understood and is not done, for the reason in the message or the data.
	Refused = -32000
	// Unavailable: no producer leads, or the leader does not answer. The call may be repeated.
	Unavailable = -32002
	// Unauthorized: the call needs another bearer token.
	Unauthorized = -32001
	// LimitExceeded: too much at once.
	LimitExceeded = -32005
	// NotKept: what is asked for is so old that it was removed here. Another replica may have it.
	NotKept = 4444
)

// Error is the error member of an answer.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// Response is an answer.
type Response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// What geth says of a request that is not looked into.
var (
	ErrParse      = Error{Code: Malformed, Message: "parse error"}
	ErrInvalid    = Error{Code: InvalidRequest, Message: "invalid request"}
	ErrEmptyBatch = Error{Code: InvalidRequest, Message: "empty batch"}
)

const null = "null"

// noID is the id of an answer to a request whose id is not known.
func noID() json.RawMessage { return json.RawMessage(null) }

// Result is the answer to a request; without an id it has the id null. The value must not be nil.
func Result(id json.RawMessage, value any) json.RawMessage {
	return Encode(Response{Version: "2.0", ID: known(id), Result: value})
}

// Failure is the answer with an error to a request; without an id it has the id null.
func Failure(id json.RawMessage, e Error) json.RawMessage {
	return Encode(failure(known(id), e))
}

func known(id json.RawMessage) json.RawMessage {
	if len(id) == 0 {
		return noID()
	}
	return id
}

// Encode writes a value as JSON; one that cannot be written becomes an internal error.
func Encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil { // by an id or data that is no JSON
		return json.RawMessage(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return b
}

// Reply is the answer with this error to a request or batch that was not looked into: each id that can be read gets
// its own, which is what clients wait for.
func Reply(request []byte, e Error) []byte {
	request = bytes.TrimLeft(request, " \t\r\n")
	var answer any = failure(noID(), e)
	switch {
	case len(request) == 0:
	case request[0] == '{':
		answer = failure(idOf(request), e)
	case request[0] == '[':
		if batch := failures(request, e); len(batch) > 0 {
			answer = batch
		}
	}
	return Encode(answer)
}

// Refuse is the answer with this error to a request as a whole. A call that is alone gets its id; a batch is not parsed for ids, because
// refusing has to be cheap.
func Refuse(request []byte, e Error) []byte {
	if request = bytes.TrimLeft(request, " \t\r\n"); len(request) > 0 && request[0] == '[' {
		request = nil
	}
	return Reply(request, e)
}

func failure(id json.RawMessage, e Error) Response {
	return Response{Version: "2.0", ID: id, Error: &e}
}

func failures(batch []byte, e Error) []Response {
	var requests []json.RawMessage
	if json.Unmarshal(batch, &requests) != nil {
		return nil
	}
	var out []Response
	for _, r := range requests {
		if id := idOf(r); string(id) != null {
			out = append(out, failure(id, e))
		}
	}
	return out
}

func idOf(request []byte) json.RawMessage {
	if p, ok := ParsePlain(request); ok && ValidID(json.RawMessage(p.ID.Raw)) {
		return json.RawMessage(p.ID.Raw)
	}
	var r struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(request, &r) != nil || !ValidID(r.ID) {
		return noID()
	}
	return r.ID
}

// ValidID says whether a request's id is one JSON-RPC allows: a string, a number or null.
func ValidID(id json.RawMessage) bool {
	if len(id) == 0 {
		return false
	}
	c := id[0]
	return c == '"' || c == '-' || ('0' <= c && c <= '9') || string(id) == null
}

// Write sends a body as the answer.
func Write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

// IsJSON says whether a request's body is declared as JSON, in one of the ways JSON-RPC clients do.
func IsJSON(h http.Header) bool {
	switch media, _, err := mime.ParseMediaType(h.Get("Content-Type")); media {
	case "application/json", "application/json-rpc", "application/jsonrequest":
		return err == nil
	}
	return false
}
