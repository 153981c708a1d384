package apigw

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/kit/leader"
	"blindseq/kit/redistest"

	"github.com/coder/websocket"
)

// bounded is a gateway behind a proxy on this machine, with small budgets.
func bounded(t *testing.T, change func(*Config)) *Service {
	t.Helper()
	r := redistest.Mini(t)
	f := fakes.Start(t)
	node := fakes.StartRPC(t, "one")
	cfg := cfgFor(t, r.URL, f)
	cfg.HoldTimeout = 10 * time.Second
	cfg.TrustedProxies = []string{"127.0.0.0/8"}
	change(&cfg)
	s, _ := run(t, cfg)
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: node.Addr()})
	return s
}

// ask posts a body for a client and returns status, Retry-After and text.
func ask(t *testing.T, url, client, body string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", client)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Retry-After"), string(text)
}

func TestAClientWithoutUnitsIsRefusedAndOthersAreNot(t *testing.T) {
	s := bounded(t, func(c *Config) { c.Units, c.Burst, c.Costs = 1, 100, map[string]int{"eth_call": 20} })
	url := "http://" + s.RPCAddr()
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"jsonrpc":"2.0","id":7,"method":"eth_call","params":[{},"latest"]},`, 5), ",") + "]"
	if status, _, text := ask(t, url, "203.0.113.7", batch); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	status, after, text := ask(t, url, "203.0.113.7", batch)
	if status != http.StatusTooManyRequests || after == "" || !strings.Contains(text, "-32005") || !strings.Contains(text, `"id":7`) {
		t.Errorf("%d, after %q: %s", status, after, text)
	}
	if status, _, text := ask(t, url, "203.0.113.8", batch); status != http.StatusOK {
		t.Errorf("another client: %d %s", status, text)
	}
	if metrics := fetch(t, "http://"+s.OpsAddr()+"/metrics"); !strings.Contains(metrics, `blindseq_budget_refused_total{budget="units"} 1`) {
		t.Error("it is not counted")
	}
}

// Clients that announce bodies and do not send them took memory, and kept others out.
func TestUnfinishedBodiesKeepNobodyOut(t *testing.T) {
	s := bounded(t, func(c *Config) { c.ReadingBytes = 4 << 20 })
	refused := 0
	for i := range 20 {
		conn, err := net.Dial("tcp", s.RPCAddr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: 1000000\r\n\r\n[%s", strings.Repeat(" ", 1000))
		if i == 0 { // it is being read
			continue
		}
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err == nil && string(answer) == "HTTP/1.1 429" {
			refused++
		}
	}
	if refused < 18 { // whichever of the first comes first is read
		t.Errorf("%d of 20 were refused", refused)
	}
	if status, _, text := ask(t, "http://"+s.RPCAddr(), "203.0.113.8", `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`); status != http.StatusOK {
		t.Errorf("another client: %d %s", status, text)
	}
	if status, _, _ := ask(t, "http://"+s.RESTAddr()+"/v1/pool/lock", "203.0.113.7", strings.Repeat(" ", 1_000_000)); status != http.StatusTooManyRequests {
		t.Errorf("over REST: %d", status)
	}
}

func TestAClientHasFewWebSocketsAndSubscriptions(t *testing.T) {
	s := bounded(t, func(c *Config) { c.Sockets, c.Subscriptions = 2, 3 })
	dial := func(client string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws://"+s.RPCAddr(), &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {client}}})
	}
	var first *websocket.Conn
	for i := range 2 {
		c, _, err := dial("203.0.113.7")
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if i == 0 {
			first = c
		}
	}
	if _, res, err := dial("203.0.113.7"); err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third one: %v", err)
	}
	if c, _, err := dial("203.0.113.8"); err != nil {
		t.Error(err)
	} else {
		defer c.CloseNow()
	}
	for i := range 4 {
		if err := first.Write(t.Context(), websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}`)); err != nil {
			t.Fatal(err)
		}
		_, answer, err := first.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if refused := strings.Contains(string(answer), "-32005"); refused != (i == 3) {
			t.Errorf("subscription %d: %s", i, answer)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
