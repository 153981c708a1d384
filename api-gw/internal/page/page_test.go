package page_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"blindseq/api-gw/internal/page"
)

var rpcAddress = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8545}

func serve(t *testing.T, cfg page.Config) http.Handler {
	t.Helper()
	cfg.RPCAddress = rpcAddress
	h, err := page.New(cfg, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, method, host, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryFileThatThePageNamesIsServedAndNothingElseIsTaken(t *testing.T) {
	h := serve(t, page.Config{})
	html := text(t, get(t, h, "GET", "localhost:8080", "/").Body)
	named := regexp.MustCompile(`(?:src|href)="(/page/[^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(named) < 3 { // script, style, icon
		t.Fatalf("the page names %q", named)
	}
	for _, one := range named {
		answer := get(t, h, "GET", "localhost:8080", one[1])
		if answer.StatusCode != 200 || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", one[1], answer.StatusCode, answer.Header)
		}
	}
	for path, want := range map[string]int{"/page/other.js": 418, "/page/../index.html": 307, "/v1/status": 418, "/index.html": 418} {
		if got := get(t, h, "GET", "localhost:8080", path).StatusCode; got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	if got := get(t, h, "POST", "localhost:8080", "/").StatusCode; got != 418 {
		t.Errorf("POST /: %d", got)
	}
}

// The policy lets nothing run that stands in HTML, and a page connects to its own host only.
func TestThePolicyIsStrict(t *testing.T) {
	h := serve(t, page.Config{})
	answer := get(t, h, "GET", "localhost:8080", "/")
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	html := text(t, answer.Body)
	if inside := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style| style=| on[a-z]+=`).FindString(html); inside != "" {
		t.Errorf("HTML has %q inside", inside)
	}
	if other := regexp.MustCompile(`https?://`).FindString(html); other != "" {
		t.Errorf("HTML names another host")
	}
	for host, want := range map[string]string{
		"localhost:8080":  "connect-src 'self' ws://localhost:8545 wss://localhost:8545",
		"rollup.example":  "connect-src 'self' ws://rollup.example:8545 wss://rollup.example:8545",
		"[::1]:8080":      "connect-src 'self' ws://*:8545 wss://*:8545", // a policy cannot name it
		"a; script-src *": "connect-src 'self' ws://*:8545 wss://*:8545",
	} {
		if got := get(t, h, "GET", host, "/").Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "; "+want) {
			t.Errorf("%s: %q", host, got)
		}
	}
}

func TestThePageIsToldWhereJSONRPCIs(t *testing.T) {
	for _, c := range []struct {
		cfg     page.Config
		connect string
		want    map[string]any
	}{
		{page.Config{}, "ws://h:8545 wss://h:8545", map[string]any{"rpc_host": "", "rpc_port": "8545", "faucet": false}},
		{
			page.Config{RPCHost: "rpc.example.org", Faucet: true}, "ws://rpc.example.org wss://rpc.example.org",
			map[string]any{"rpc_host": "rpc.example.org", "rpc_port": "8545", "faucet": true},
		},
	} {
		answer := get(t, serve(t, c.cfg), "GET", "h", "/page/about.json")
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, " 'self' "+c.connect) {
			t.Errorf("policy %q", policy)
		}
		var got map[string]any
		if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		for key, want := range c.want {
			if got[key] != want {
				t.Errorf("%s is %v, want %v", key, got[key], want)
			}
		}
	}
	for _, bad := range []string{"https://rpc.example.org", "rpc.example.org/ws", "a b", "u@h", "[::1]:1", "h; script-src *", "h:p", ":1"} {
		if _, err := page.New(page.Config{RPCHost: bad, RPCAddress: rpcAddress}, http.NotFoundHandler()); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestFilesAreCompressedAndSentOnce(t *testing.T) {
	h := serve(t, page.Config{})
	plain := get(t, h, "GET", "h", "/page/page.js")
	small := get(t, h, "GET", "h", "/page/page.js", "Accept-Encoding", "gzip, br")
	content, packed := text(t, plain.Body), text(t, small.Body)
	unpacked, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text(t, unpacked) != content || small.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %v and %v", plain.Header, small.Header)
	}
	if plain.Header.Get("Etag") == small.Header.Get("Etag") {
		t.Error("both have one tag")
	}
	t.Logf("page.js has %d bytes, %d compressed", len(content), len(packed))
	if len(packed) > 48<<10 {
		t.Errorf("page.js has grown to %d bytes", len(packed))
	}
	again := get(t, h, "GET", "h", "/page/page.js", "Accept-Encoding", "gzip", "If-None-Match", small.Header.Get("Etag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("again: %d", again.StatusCode)
	}
}
