package rpc

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// FuzzBatch: a body either is left to geth's server or is answered with as many well formed answers as it has calls.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01"]}]`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":"\u0000","method":"eth_sendRawTransaction","params":["0x"]},null]`))
	f.Add([]byte(` [{"jsonrpc":"2.0","id":null,"method":"eth_sendRawTransaction","params":["0x01"]},{"id":[]}]`))
	request := httptest.NewRequest("POST", "/", nil)
	request.Header.Set("Content-Type", contentType)
	b := &bulk{items: 10}
	f.Fuzz(func(t *testing.T, body []byte) {
		calls, ok := b.parse(request, body)
		if !ok {
			return
		}
		hashes, errs := make([]common.Hash, len(calls)), make([]error, len(calls))
		errs[0] = errors.New("control \x00 and \"quotes\"")
		var answers []struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal(encodeAnswers(calls, hashes, errs), &answers); err != nil {
			t.Fatalf("answer to %q: %v", body, err)
		}
		if len(answers) != len(calls) || len(calls) > b.items {
			t.Fatalf("%d answers to %d calls", len(answers), len(calls))
		}
	})
}
