package rpcproxy

import (
	"encoding/json"
	"testing"
)

// FuzzSends reads requests as strangers write them: every call that sends has an id, and its transaction a name of 32 bytes, or none.
func FuzzSends(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x02"]}`))
	f.Add([]byte(`[{"id":"a","method":"eth_sendRawTransactionSync","params":["0x5ec0",1]},{"id":null,"method":"eth_sendRawTransaction","params":[]}]`))
	f.Add([]byte(`[eth_sendRawTransaction`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range sendsOf(body) {
			if hash := s.hash(); !json.Valid([]byte(s.id)) || hash != "" && len(hash) != 66 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
