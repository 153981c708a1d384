package rpcproxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/httpserver"
	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/api-gw/internal/tracker"
	"blindseq/kit/rpchttp"
)

// gatewayOf is a served proxy whose leader a test sets.
type gatewayOf struct {
	url     string
	client  *http.Client
	stop    func() error
	figures *figures
	asked   atomic.Int64 // how often the directory was told that the leader is unreachable
	mu      sync.Mutex
	address string
	changed chan struct{}
}

func (g *gatewayOf) Current() (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.address, g.address != ""
}

func (g *gatewayOf) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// lead makes address the leader.
func (g *gatewayOf) lead(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.address = address
	close(g.changed)
	g.changed = make(chan struct{})
}

type figures struct {
	mu      sync.Mutex
	errors  map[string]int
	sockets int
	begun   atomic.Int64 // requests
}

func (f *figures) Begin(string)                           { f.begun.Add(1) }
func (f *figures) End(string, string, int, time.Duration) {}
func (f *figures) Read(by string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors["read by "+by]++
}

func (f *figures) ForwardError(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors[kind]++
}

func (f *figures) WebSockets(change int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets += change
}

func (f *figures) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sockets
}

func (f *figures) failed(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errors[kind]
}

func start(t *testing.T, leader string, change ...func(*rpcproxy.Config)) *gatewayOf {
	t.Helper()
	g := &gatewayOf{address: leader, changed: make(chan struct{}), figures: &figures{errors: map[string]int{}}}
	leaders := tracker.New(g, func(bool) {})
	cfg := rpcproxy.Config{
		Leader: leaders.Current, Unreachable: func() { g.asked.Add(1) }, Origins: []string{"*"}, BodyLimit: 64 << 10,
		Timeout: 5 * time.Second, MaxWebSockets: 2, Recorder: g.figures, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	proxy := rpcproxy.New(cfg)
	mux := http.NewServeMux()
	mux.Handle("/{$}", proxy.Root())
	mux.Handle("/ws", proxy.WebSocket())
	mux.HandleFunc("/", rpchttp.Elsewhere)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httpserver.New(t.Context(), httpserver.Config{
		Name: "rpc", Listener: l, Handler: mux, MaxConnections: 100, Recorder: g.figures, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { failed = server.Run(ctx) })
	wg.Go(func() { _ = leaders.Run(ctx) })
	transport := &http.Transport{}
	g.url, g.client = "http://"+l.Addr().String(), &http.Client{Transport: transport}
	g.stop = func() error { cancel(); wg.Wait(); proxy.Close(); return failed }
	t.Cleanup(func() { transport.CloseIdleConnections(); _ = g.stop() })
	return g
}

func (g *gatewayOf) post(t *testing.T, body string, headers ...string) (status int, header http.Header, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(out)
}

const chainID = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`

func TestARequestAndItsAnswerAreForwardedUnchanged(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	body := "[" + chainID + ", {\"odd\":  true}]\n"
	status, header, text := g.post(t, body, "Authorization", "Bearer secret", "Cookie", "a=b")
	if status != 200 || text != `{"jsonrpc":"2.0","id":1,"result":"one"}` || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %s", status, header, text)
	}
	bodies, headers := p.Got()
	if len(bodies) != 1 || bodies[0] != body {
		t.Errorf("the producer got %q", bodies)
	}
	for _, name := range []string{"Authorization", "Cookie", "Accept-Encoding", "User-Agent"} {
		if v := headers[0].Get(name); v != "" {
			t.Errorf("the producer was shown %s: %s", name, v)
		}
	}
}

func TestManyBodiesAtOnceDoNotMix(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	p.Handle(nil)
	g := start(t, p.Addr())
	var wg sync.WaitGroup
	sent := map[string]bool{}
	for i := range 64 {
		body := fmt.Sprintf(`{"id":%d,"pad":"%s"}`, i, strings.Repeat(fmt.Sprint(i%10), 1000*(i%20)))
		sent[body] = true
		wg.Go(func() { g.post(t, body) })
	}
	wg.Wait()
	bodies, _ := p.Got()
	for _, b := range bodies {
		if !sent[b] {
			t.Fatalf("a body of %d bytes arrived that was not sent", len(b))
		}
		delete(sent, b)
	}
	if len(sent) != 0 {
		t.Fatalf("%d bodies did not arrive", len(sent))
	}
}

func TestWithoutALeaderTheErrorHasTheIds(t *testing.T) {
	g := start(t, "")
	for body, want := range map[string]string{
		`{"method":"m","params":["` + strings.Repeat("f", 5000) + `"],"id":"x"}`: `{"jsonrpc":"2.0","id":"x","error":{"code":-32002,"message":"no producer leads now; try again"}}`,
		`[{"id":1},{"id":2}]`: `[{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no producer leads now; try again"}},{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"no producer leads now; try again"}}]`,
	} {
		if status, header, text := g.post(t, body); status != 503 || text != want || header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s", status, text)
		}
	}
	if g.figures.failed(rpcproxy.NoLeader) != 2 {
		t.Errorf("counted %v", g.figures.errors)
	}
}

func TestTheNextRequestGoesToWhoLeadsThen(t *testing.T) {
	one, two := fakes.StartRPC(t, "one"), fakes.StartRPC(t, "two")
	g := start(t, one.Addr())
	if _, _, text := g.post(t, chainID); !strings.Contains(text, "one") {
		t.Fatalf("got %s", text)
	}
	one.Stop()
	status, _, text := g.post(t, chainID)
	if status != 503 || !strings.Contains(text, `"id":1`) || !strings.Contains(text, "-32002") {
		t.Fatalf("got %d %s", status, text)
	}
	if g.asked.Load() == 0 || g.figures.failed(rpcproxy.Unreachable) == 0 {
		t.Error("nobody was told that the leader is unreachable")
	}
	g.lead("http://" + two.Addr())
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, _, text = g.post(t, chainID); strings.Contains(text, "two") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s", text)
		}
	}
}

func TestASlowProducerIsGivenUp(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	release := make(chan struct{})
	defer close(release)
	p.Handle(func(http.ResponseWriter, *http.Request) { <-release })
	g := start(t, p.Addr(), func(c *rpcproxy.Config) { c.Timeout = 50 * time.Millisecond })
	if status, _, text := g.post(t, chainID); status != 504 || !strings.Contains(text, `"id":1`) || !strings.Contains(text, "may have been taken") {
		t.Errorf("got %d %s", status, text)
	}
}

func TestHalfAnAnswerIsNotPassedOffAsAWhole(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	p.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "200000")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000)) // more than is held back
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	g := start(t, p.Addr())
	res, err := g.client.Post(g.url, "application/json", strings.NewReader(callOf("eth_getLogs", `[{}]`)))
	if err == nil { // else it was cut before the headers were through
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("half an answer was taken for a whole one: %d %.100s", res.StatusCode, text)
		}
	}
	if g.figures.failed(rpcproxy.Broken) != 1 {
		t.Errorf("counted %v", g.figures.errors)
	}
}

func TestBadRequestsDoNotReachTheProducer(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	for name, c := range map[string]struct {
		method, path, body, contentType string
		chunked                         bool
		status                          int
	}{
		"too large":           {"POST", "/", strings.Repeat("x", 64<<10+1), "application/json", false, 413},
		"too large, chunked":  {"POST", "/", strings.Repeat("x", 64<<10+1), "application/json", true, 413},
		"a long batch":        {"POST", "/", "[" + strings.Repeat("1,", 1000) + "1]", "application/json", false, 200},
		"empty":               {"POST", "/", "", "application/json", false, 200},
		"content type":        {"POST", "/", chainID, "text/plain", false, 415},
		"no content type":     {"POST", "/", chainID, "", false, 415},
		"a GET for something": {"GET", "/?method=eth_chainId", "", "", false, 405},
		"PUT":                 {"PUT", "/", chainID, "application/json", false, 405},
		"POST to /ws":         {"POST", "/ws", chainID, "application/json", false, 426},
		"another path":        {"POST", "/rpc", chainID, "application/json", false, 404},
	} {
		var body io.Reader = strings.NewReader(c.body)
		if c.chunked {
			body = io.NopCloser(body)
		}
		r, err := http.NewRequestWithContext(t.Context(), c.method, g.url+c.path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.contentType)
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(text), `"error":{"code":-32`) {
			t.Errorf("%s: got %d %s", name, res.StatusCode, text)
		}
	}
	if bodies, _ := p.Got(); len(bodies) != 0 {
		t.Errorf("the producer got %q", bodies)
	}
}

func TestWebPagesMayCallAsConfigured(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	preflight := func(g *gatewayOf, origin string) http.Header {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, g.url, nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header
	}
	anyone := start(t, p.Addr())
	if h := preflight(anyone, "https://app.example"); h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("got %v", h)
	}
	if _, h, _ := anyone.post(t, chainID, "Origin", "https://app.example"); h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %v", h)
	}
	some := start(t, p.Addr(), func(c *rpcproxy.Config) { c.Origins = []string{"https://app.example"} })
	if h := preflight(some, "https://app.example"); h.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("got %v", h)
	}
	if h := preflight(some, "https://evil.example"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %v", h)
	}
}

func BenchmarkForward(b *testing.B) {
	p := fakes.StartRPC(b, "one")
	leader := tracker.New(fixed(p.Addr()), func(bool) {})
	proxy := rpcproxy.New(rpcproxy.Config{
		Leader: leader.Current, Origins: []string{"*"}, BodyLimit: 5 << 20, Timeout: time.Second, MaxWebSockets: 1,
		Unreachable: func() {}, Recorder: &figures{errors: map[string]int{}}, Log: slog.New(slog.DiscardHandler),
	})
	defer proxy.Close()
	p.Handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[]`) })
	h := proxy.Root()
	body := bytes.Repeat([]byte("x"), 60<<10)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, _ := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(discard{http.Header{}}, r)
	}
}

type fixed string

func (f fixed) Current() (string, bool)  { return string(f), true }
func (f fixed) Changed() <-chan struct{} { return nil }

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
