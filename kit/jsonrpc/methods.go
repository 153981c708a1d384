package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
)

// Call is what a call of a request says about its method: every name that it gives it. A key may come twice or in another case, and
// nodes differ in which one they take; whoever judges a call judges all of them.
type Call struct {
	Methods names `json:"method"`
}

// names collects what a decoder finds under one key.
type names []string

// UnmarshalJSON is called for each occurrence of the key.
func (n *names) UnmarshalJSON(raw []byte) error {
	var name string
	if json.Unmarshal(raw, &name) == nil { // what is no name calls nothing
		*n = append(*n, name)
	}
	return nil
}

// Calls are those of a request: one, or each element of a batch. What is no call is one without a name.
func Calls(request []byte) (calls []Call, batch bool) {
	request = bytes.TrimLeft(request, " \t\r\n")
	if batch = len(request) > 0 && request[0] == '['; !batch {
		if p, ok := ParsePlain(request); ok && p.Method.Type == gjson.String {
			return []Call{{Methods: names{p.Method.Str}}}, false
		}
		calls = make([]Call, 1)
		if !decode(request, &calls[0]) {
			calls[0] = Call{}
		}
		return calls, false
	}
	if !decode(request, &calls) {
		return []Call{{}}, true
	}
	return calls, true
}

// decode reports whether the text is JSON. A part of another type than out's is passed over.
func decode(text []byte, out any) bool {
	err := json.Unmarshal(text, out)
	wrongType := (*json.UnmarshalTypeError)(nil)
	return err == nil || errors.As(err, &wrongType)
}

// MaxBatch is how many calls a batch has at most.
const MaxBatch = 1000

// TooMany reports whether a request is a batch of more elements than most. It takes no memory for them: of five megabytes, a list of
// what they hold has hundreds.
func TooMany(request []byte, most int) bool {
	request = bytes.TrimLeft(request, " \t\r\n")
	if len(request) == 0 || request[0] != '[' || bytes.Count(request, []byte{','}) < most {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(request))
	if _, err := d.Token(); err != nil {
		return false
	}
	var element ignored
	for n := 0; d.More(); n++ {
		if n == most {
			return true
		}
		if d.Decode(&element) != nil {
			return false // no JSON
		}
	}
	return false
}

// Long is the answer to a batch of more elements than most. As geth's it has the id of the first, which its client waits for.
func Long(batch []byte, most int) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(batch))
	var first json.RawMessage
	if _, err := d.Token(); err == nil {
		_ = d.Decode(&first) // what cannot be read has no id
	}
	e := Error{Code: InvalidRequest, Message: fmt.Sprintf("batch too large: it may have at most %d calls", most)}
	return Encode([]Response{failure(idOf(first), e)})
}

// ignored is any value.
type ignored struct{}

// UnmarshalJSON keeps nothing.
func (*ignored) UnmarshalJSON([]byte) error { return nil }
