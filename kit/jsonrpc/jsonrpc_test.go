package jsonrpc

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestAReplyCarriesTheIdsOfItsRequests(t *testing.T) {
	const e = `"error":{"code":-32002,"message":"away"}}`
	for request, want := range map[string]string{
		`{"jsonrpc":"2.0","method":"m","params":[{"id":9}],"id":"a-1"}`: `{"jsonrpc":"2.0","id":"a-1",` + e,
		" \n{\"id\": 17 }":  `{"jsonrpc":"2.0","id":17,` + e,
		`{"id":{"deep":1}}`: `{"jsonrpc":"2.0","id":null,` + e,
		`{"id":1`:           `{"jsonrpc":"2.0","id":null,` + e,
		``:                  `{"jsonrpc":"2.0","id":null,` + e,
		`nonsense`:          `{"jsonrpc":"2.0","id":null,` + e,
		`[]`:                `{"jsonrpc":"2.0","id":null,` + e,
		`[{"id":1},{"method":"note"},{"id":"b"}]`: `[{"jsonrpc":"2.0","id":1,` + e + `,{"jsonrpc":"2.0","id":"b",` + e + `]`,
	} {
		if got := string(Reply([]byte(request), Error{Code: Unavailable, Message: "away"})); got != want {
			t.Errorf("%s: got %s", request, got)
		}
	}
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	const e = `"error":{"code":-32005,"message":"too much"}}`
	for request, want := range map[string]string{
		`{"id":17}`:                `{"jsonrpc":"2.0","id":17,` + e,
		" [{\"id\":1},{\"id\":2}]": `{"jsonrpc":"2.0","id":null,` + e,
		``:                         `{"jsonrpc":"2.0","id":null,` + e,
	} {
		if got := string(Refuse([]byte(request), Error{Code: LimitExceeded, Message: "too much"})); got != want {
			t.Errorf("%s: got %s", request, got)
		}
	}
}

func TestAnswersAreJSONWhateverTheIDIs(t *testing.T) {
	for got, want := range map[string]string{
		string(Result(json.RawMessage(`7`), "x")):                       `{"jsonrpc":"2.0","id":7,"result":"x"}`,
		string(Result(nil, map[string]any{"a": nil})):                   `{"jsonrpc":"2.0","id":null,"result":{"a":null}}`,
		string(Failure(json.RawMessage(`"a"`), Error{Code: Refused})):   `{"jsonrpc":"2.0","id":"a","error":{"code":-32000,"message":""}}`,
		string(Failure(json.RawMessage(`{`), Error{Code: Unavailable})): `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestContentTypes(t *testing.T) {
	for value, want := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "application/json-rpc": true, "": false,
		"text/plain": false, "application/x-www-form-urlencoded": false, "application/json; =": false,
	} {
		if got := IsJSON(http.Header{"Content-Type": {value}}); got != want {
			t.Errorf("%q: got %t", value, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{`{"id":1}`, `[{"id":"x"}]`, `[`, `{"id":"\u0000"}`, strings.Repeat("[", 200)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if out := Reply(request, Error{Code: Internal, Message: "m"}); !json.Valid(out) {
			t.Fatalf("no JSON: %q", out)
		}
	})
}
