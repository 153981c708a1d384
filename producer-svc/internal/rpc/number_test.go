package rpc_test

import (
	"testing"

	"blindseq/producer-svc/internal/rpc"
)

// The number of the head is answered without geth's server when it is asked for in the usual way; all else gets geth's answer. The
// server's head is another one than geth's here, so that one sees who answered.
func TestTheNumberOfTheHeadIsAnsweredTheShortWayOnlyWhenAskedForInTheUsualOne(t *testing.T) {
	s, geth := serveAt(t, 7), serve(t, rpc.Limits{})
	for body, short := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`:       `{"jsonrpc":"2.0","id":1,"result":"0x7"}`,
		` {"id":"a\"b","jsonrpc":"2.0","method":"eth_blockNumber"}`:             `{"jsonrpc":"2.0","id":"a\"b","result":"0x7"}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[1]}`:      "",
		`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":{}}`:       "",
		`{"jsonrpc":"1.0","id":1,"method":"eth_blockNumber"}`:                   "",
		`{"jsonrpc":"2.0","method":"eth_blockNumber"}`:                          "",
		`{"jsonrpc":"2.0","id":{},"method":"eth_blockNumber"}`:                  "",
		`[{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}]`:                 "",
		`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","x":"eth_blockNumber"}`: "",
		`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"`:                    "",
	} {
		_, want := geth.post(body)
		if short != "" {
			want = short
		}
		if _, got := s.post(body); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}
