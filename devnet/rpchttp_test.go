package devnet

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

// chainID is the method that a geth of the test serves.
type chainID struct{}

func (chainID) ChainId() hexutil.Uint64 { return 1337 }

// gethsDoor is geth's own HTTP server of JSON-RPC, open to web pages.
func gethsDoor(t *testing.T) string {
	t.Helper()
	server := rpc.NewServer()
	t.Cleanup(server.Stop)
	server.SetBatchLimits(1_000, 25_000_000)
	if err := server.RegisterName("eth", chainID{}); err != nil {
		t.Fatal(err)
	}
	door := httptest.NewServer(node.NewHTTPHandlerStack(server, []string{"*"}, []string{"*"}, nil, true))
	t.Cleanup(door.Close)
	return door.URL
}

// httpCase is a request; zero values are a POST of JSON.
type httpCase struct {
	what, method, query, body string
	header                    map[string]string
	// ours is the status here if it is another than geth's, which needs a reason.
	ours   int
	reason string
}

// heard is what of an answer must be the same: where geth has a JSON-RPC error, its code and the id.
type heard struct {
	status                 int
	kind                   string
	answer                 string
	origin, methods, names string // which pages may call, and how
}

func (c httpCase) ask(t *testing.T, url string) (s heard, body string) {
	t.Helper()
	var in io.Reader
	if c.body != "" {
		in = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), cmp.Or(c.method, http.MethodPost), url+"/"+c.query, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	h := res.Header
	s = heard{res.StatusCode, h.Get("Content-Type"), codes(text), h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Methods"),
		strings.ToLower(strings.ReplaceAll(h.Get("Access-Control-Allow-Headers"), " ", ""))}
	return s, string(text)
}

// codes are the id and the error's code of each answer in a body; nothing of what is no JSON-RPC.
func codes(body []byte) string {
	type answer struct {
		ID     json.RawMessage `json:"id"`
		Result json.RawMessage `json:"result,omitempty"`
		Error  *struct {
			Code int `json:"code"`
		} `json:"error,omitempty"`
	}
	var one answer
	var all []answer
	var found any = &one
	if len(body) > 0 && body[0] == '[' {
		found = &all
	}
	if json.Unmarshal(body, found) != nil {
		return ""
	}
	text, _ := json.Marshal(found) // what was JSON is JSON
	return string(text)
}

// Both ports answer what is no good JSON-RPC, and what web pages ask first, in the same way: as geth does. Geth answers some of it with text
// or with nothing; the ports say what is wrong as JSON-RPC.
func TestBothPortsSpeakHTTPAsGethDoes(t *testing.T) {
	d := run(t, filepath.Join(t.TempDir(), "data"), "none")
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	geth := gethsDoor(t)
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`
	page := map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-requested-with"}
	for _, c := range []httpCase{
		{what: "a call", body: call},
		{what: "JSON-RPC by its other names", body: call, header: map[string]string{"Content-Type": "application/json-rpc"}},
		{what: "a charset", body: call, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		{what: "text", body: call, header: map[string]string{"Content-Type": "text/plain"}},
		{what: "no content type", body: call, header: map[string]string{"Content-Type": ""}},
		{what: "no body"},
		{what: "spaces", body: "  "},
		{what: "no JSON", body: "hello"},
		{what: "JSON that is cut off", body: `{"jsonrpc":`},
		{what: "something behind the call", body: call + "x"},
		{what: "two calls", body: call + call},
		{what: "a string", body: `"eth_chainId"`},
		{what: "a number", body: "1"},
		{what: "null", body: "null"},
		{what: "an object", body: "{}"},
		{what: "no version", body: `{"id":1,"method":"eth_chainId"}`},
		{what: "another version", body: `{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}`},
		{what: "no method", body: `{"jsonrpc":"2.0","id":1}`},
		{what: "a number as method", body: `{"jsonrpc":"2.0","id":"x","method":5}`},
		{what: "an object as id", body: `{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}`},
		{what: "null as id", body: `{"jsonrpc":"2.0","id":null,"method":"eth_chainId"}`},
		{what: "a notification", body: `{"jsonrpc":"2.0","method":"eth_chainId"}`},
		{what: "an unknown method", body: `{"jsonrpc":"2.0","id":1,"method":"eth_nope"}`},
		{what: "an empty batch", body: "[]"},
		{what: "a batch of anything", body: `[1,"x",null,{},{"id":7},` + call + "]"},
		{what: "a batch that is cut off", body: "[" + call},
		{what: "a long batch", body: "[" + strings.Repeat(call+",", 1_000) + call + "]"},
		{what: "a long body", body: strings.Repeat(" ", 5<<20+1)},
		{what: "GET", method: http.MethodGet},
		{what: "PUT", method: http.MethodPut, body: call},
		{what: "DELETE", method: http.MethodDelete},
		{what: "OPTIONS of no page", method: http.MethodOptions},
		{what: "a page asks whether it may call", method: http.MethodOptions, header: page},
		{what: "a page calls", body: call, header: map[string]string{"Origin": "https://app.example"}},
		{what: "GET for something", method: http.MethodGet, query: "?method=eth_chainId", ours: http.StatusMethodNotAllowed, header: map[string]string{"Content-Type": ""},
			reason: "geth blames the content type"},
		{what: "HEAD", method: http.MethodHead, ours: http.StatusOK, header: map[string]string{"Content-Type": ""}, reason: "as GET; geth blames the content type"},
		{what: "GET with a body", method: http.MethodGet, body: call, ours: http.StatusMethodNotAllowed, reason: "a GET may be answered by a cache"},
	} {
		t.Run(c.what, func(t *testing.T) {
			want, text := c.ask(t, geth)
			plain, body := c.ask(t, d.rpc)
			if sealed, other := c.ask(t, d.bundler); sealed != plain || body != other {
				t.Errorf("the ports answer differently:\n%+v %.200s\n%+v %.200s", plain, body, sealed, other)
			}
			if want.answer == "" { // text or nothing
				if plain.status >= 400 && !strings.Contains(plain.answer, `"error"`) && c.method != http.MethodHead {
					t.Errorf("no JSON-RPC error: %s", body)
				}
				want.kind, want.answer = plain.kind, plain.answer
			}
			if c.ours != 0 {
				want.status, want.kind, want.answer = c.ours, plain.kind, plain.answer
			}
			if plain != want {
				t.Errorf("answered\n%+v %.200s, geth\n%+v %.200s", plain, body, want, text)
			}
		})
	}
}

// Both ports compress long answers for clients that ask for it, and for no other.
func TestBothPortsCompressLongAnswers(t *testing.T) {
	d := run(t, filepath.Join(t.TempDir(), "data"), "none")
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for _, url := range []string{d.rpc, d.bundler} {
		for call, long := range map[string]bool{
			`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`:                     false,
			`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",false]}`: true,
		} {
			for _, encoding := range []string{"", "gzip"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(call))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				if encoding != "" {
					r.Header.Set("Accept-Encoding", encoding)
				}
				res, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if packed := res.Header.Get("Content-Encoding") == "gzip"; packed != (long && encoding == "gzip") {
					t.Errorf("%s, asked for %q: %s compressed %v", url, encoding, call, packed)
				}
			}
		}
	}
}
