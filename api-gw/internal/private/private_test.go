package private_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/private"
	"blindseq/kit/auth"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func start(t *testing.T, addr net.Addr) (http.Handler, *fakes.Services) {
	t.Helper()
	f := fakes.Start(t)
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := auth.OpenTokens(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(token, addr, false)
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.New(f.Backends(t), gateway.Timeouts{Produce: 5 * time.Second, Call: time.Second, Status: time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler))
	return private.New(s, policy), f
}

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

func post(h http.Handler, body string, headers ...string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/private", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(out)
}

func TestProduceBlockAnswersWithTheNumberOfTransactions(t *testing.T) {
	h, f := start(t, loopback)
	for _, params := range []string{``, `,"params":null`, `,"params":"2020-01-01T00:00:05Z"`, `,"params":["1577836805"]`, `,"params":{"timestamp":"1577836805"}`} {
		code, body := post(h, `{"jsonrpc":"2.0","method":"produceBlock","id":1`+params+`}`)
		if code != 200 || body != `{"jsonrpc":"2.0","id":1,"result":"0x2"}` {
			t.Errorf("%s: got %d %s", params, code, body)
		}
	}
	for i, call := range f.Calls() {
		if i >= 2 && call.Timestamp.GetSeconds() != 1577836805 {
			t.Errorf("call %d asked for %v", i, call.Timestamp)
		}
	}
}

func TestABatchIsServedInItsOrder(t *testing.T) {
	h, f := start(t, loopback)
	code, body := post(h, `[{"jsonrpc":"2.0","method":"produceBlock","params":"1","id":"a"},
		{"jsonrpc":"2.0","method":"produceBlock","params":"2"},
		{"jsonrpc":"2.0","method":"nope","id":7}, 5]`)
	want := `[{"jsonrpc":"2.0","id":"a","result":"0x2"},` +
		`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"method \"nope\" is not known here; produceBlock is"}},` +
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,`
	if code != 200 || !strings.HasPrefix(body, want) {
		t.Errorf("got %d %s", code, body)
	}
	calls := f.Calls()
	if len(calls) != 2 || calls[0].Timestamp.Seconds != 1 || calls[1].Timestamp.Seconds != 2 {
		t.Errorf("calls %v", calls)
	}
	if code, body := post(h, `[{"jsonrpc":"2.0","method":"produceBlock"}]`); code != 200 || body != "" {
		t.Errorf("notifications alone: got %d %q", code, body)
	}
}

func TestNoBlockIsAnErrorWithItsReason(t *testing.T) {
	h, f := start(t, loopback)
	s := gateway.New(f.Backends(t), gateway.Timeouts{Call: time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler))
	if _, err := s.LockPool(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, body := post(h, `{"jsonrpc":"2.0","method":"produceBlock","id":1}`, "Idempotency-Key", "k9")
	want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no block was made: pool_locked","data":{"reason":"pool_locked","request_id":"k9"}}}`
	if body != want {
		t.Errorf("got %s", body)
	}
}

func TestBadRequestsAreTypedAndMakeNoBlock(t *testing.T) {
	h, f := start(t, loopback)
	big := `{"jsonrpc":"2.0","method":"produceBlock","id":1,"params":"` + strings.Repeat("1", 1<<20) + `"}`
	many := "[" + strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","method":"produceBlock","id":1},`, 101), ",") + "]"
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		code    string
	}{
		"malformed":        {`{"jsonrpc":`, nil, 200, "-32700"},
		"empty":            {``, nil, 200, "-32700"},
		"malformed batch":  {`[{]`, nil, 200, "-32700"},
		"two values":       {`{} {}`, nil, 200, "-32700"},
		"empty batch":      {`[]`, nil, 200, "-32600"},
		"not an object":    {`"produceBlock"`, nil, 200, "-32600"},
		"method of a type": {`{"jsonrpc":"2.0","method":5,"id":1}`, nil, 200, "-32600"},
		"no version":       {`{"method":"produceBlock","id":1}`, nil, 200, "-32600"},
		"old version":      {`{"jsonrpc":"1.0","method":"produceBlock","id":1}`, nil, 200, "-32600"},
		"id of a type":     {`{"jsonrpc":"2.0","method":"produceBlock","id":{}}`, nil, 200, "-32600"},
		"unknown method":   {`{"jsonrpc":"2.0","method":"eth_chainId","id":1}`, nil, 200, "-32601"},
		"bad params":       {`{"jsonrpc":"2.0","method":"produceBlock","id":1,"params":-1}`, nil, 200, "-32602"},
		"bad key":          {`{"jsonrpc":"2.0","method":"produceBlock","id":1}`, []string{"Idempotency-Key", "a b"}, 200, "-32602"},
		"key for a batch":  {`[{"jsonrpc":"2.0","method":"produceBlock","id":1}]`, []string{"Idempotency-Key", "a"}, 200, "-32600"},
		"too large":        {big, nil, 413, "-32600"},
		"too many":         {many, nil, 200, "-32005"},
		"content type":     {`{"jsonrpc":"2.0","method":"produceBlock","id":1}`, []string{"Content-Type", "text/plain"}, 415, "-32600"},
		"page of others":   {`{"jsonrpc":"2.0","method":"produceBlock","id":1}`, []string{"Origin", "https://evil.example"}, 403, "-32001"},
		"wrong token":      {`{"jsonrpc":"2.0","method":"produceBlock","id":1}`, []string{"Authorization", "Bearer nope"}, 403, "-32001"},
	} {
		status, body := post(h, c.body, c.headers...)
		if status != c.status || !strings.Contains(body, `"error":{"code":`+c.code+`,"message":"`) {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	if n := len(f.Calls()); n != 0 {
		t.Errorf("%d blocks were asked for", n)
	}
}

func TestOnlyPostIsServedAndOthersNeedTheToken(t *testing.T) {
	h, f := start(t, loopback)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/private", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	public, _ := start(t, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)})
	const call = `{"jsonrpc":"2.0","method":"produceBlock","id":1}`
	if code, body := post(public, call); code != 401 || !strings.Contains(body, "-32001") {
		t.Errorf("got %d %s", code, body)
	}
	if code, body := post(public, call, "Authorization", "Bearer 0123456789abcdef", "Origin", "https://app.example"); code != 200 {
		t.Errorf("got %d %s", code, body)
	}
	f.Fail("producer", status.Error(codes.Unavailable, "nobody leads"))
	if _, body := post(h, call); !strings.Contains(body, `"code":-32002`) || !strings.Contains(body, "nobody leads") {
		t.Errorf("got %s", body)
	}
}
