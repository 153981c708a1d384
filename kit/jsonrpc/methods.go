package jsonrpc

import (
	"bytes"
	"encoding/json"
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
		return []Call{callOf(request)}, false
	}
	var elements []json.RawMessage
	if json.Unmarshal(request, &elements) != nil {
		return []Call{{}}, true
	}
	calls = make([]Call, len(elements))
	for i, one := range elements {
		calls[i] = callOf(one)
	}
	return calls, true
}

func callOf(raw []byte) (c Call) {
	if json.Unmarshal(raw, &c) != nil {
		return Call{}
	}
	return c
}

// MaxBatch is how many calls a batch has at most.
const MaxBatch = 1000

// TooMany reports whether a request is a batch of more elements than most. It takes no memory for them: of five megabytes, a list of
// what they hold has hundreds.
func TooMany(request []byte, most int) bool {
	request = bytes.TrimLeft(request, " \t\r\n")
	if len(request) < 2*most || request[0] != '[' { // each element has a byte and a comma
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

// ignored is any value.
type ignored struct{}

// UnmarshalJSON keeps nothing.
func (*ignored) UnmarshalJSON([]byte) error { return nil }
