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
	if status != http.StatusTooManyRequests || after == "" || !strings.Contains(text, "-32005") || !strings.Contains(text, `"id":null`) {
		t.Errorf("%d, after %q: %s", status, after, text)
	}
	if status, _, text := ask(t, url, "203.0.113.8", batch); status != http.StatusOK {
		t.Errorf("another client: %d %s", status, text)
	}
	if metrics := fetch(t, "http://"+s.OpsAddr()+"/metrics"); !strings.Contains(metrics, `blindseq_budget_refused_total{budget="units"} 1`) {
		t.Error("it is not counted")
	}
}

// unfinished sends a part of a request that announces a megabyte.
func unfinished(t *testing.T, address, client string, part int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Forwarded-For: %s\r\nContent-Length: 1000000\r\n\r\n[%s", client, strings.Repeat(" ", part-1))
	return conn
}

// Clients that announce bodies and do not send them took memory, and kept others out.
func TestUnfinishedBodiesKeepNobodyOut(t *testing.T) {
	s := bounded(t, func(c *Config) { c.ReadingBytes = 4 << 20 })
	for i := range 20 {
		unfinished(t, s.RPCAddr(), fmt.Sprintf("198.51.100.%d", i), 1000)
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}` + strings.Repeat(" ", 500_000)
	if status, _, text := ask(t, "http://"+s.RPCAddr(), "203.0.113.7", body); status != http.StatusOK {
		t.Errorf("a long request of another client: %d %s", status, text)
	}
	refused := make(chan string, 3) // each is less than a quarter, two are more
	for range 3 {
		conn := unfinished(t, s.RPCAddr(), "203.0.113.7", 900_000)
		go func() {
			answer := make([]byte, 12)
			if _, err := io.ReadFull(conn, answer); err == nil {
				refused <- string(answer)
			}
		}()
	}
	for range 2 {
		if answer := <-refused; answer != "HTTP/1.1 429" {
			t.Errorf("more than a quarter: %s", answer)
		}
	}
	if status, _, text := ask(t, "http://"+s.RPCAddr(), "203.0.113.8", body); status != http.StatusOK {
		t.Errorf("another client: %d %s", status, text)
	}
}

func TestAClientHasFewWebSocketsAndFewBytesInThem(t *testing.T) {
	s := bounded(t, func(c *Config) { c.Sockets, c.ReadingBytes = 2, 1<<20 })
	dial := func(client string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws://"+s.RPCAddr(), &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {client}}})
	}
	var sockets []*websocket.Conn
	for range 2 {
		c, _, err := dial("203.0.113.7")
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		sockets = append(sockets, c)
	}
	if _, res, err := dial("203.0.113.7"); err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third one: %v", err)
	}
	if c, _, err := dial("203.0.113.8"); err != nil {
		t.Error(err)
	} else {
		defer c.CloseNow()
	}
	if err := sockets[1].Write(t.Context(), websocket.MessageText, []byte("["+strings.Repeat("1,", 1000)+"1]")); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := sockets[1].Read(t.Context()); err != nil || !strings.Contains(string(answer), "at most 1000 calls") {
		t.Errorf("a long batch: %s, %v", answer, err)
	}
	call := `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`
	for i, size := range []int{1000, 200_000, 300_000} { // a quarter of a mebibyte
		if err := sockets[0].Write(t.Context(), websocket.MessageText, []byte(call+strings.Repeat(" ", size))); err != nil && i < 2 {
			t.Fatal(err)
		}
		if _, answer, err := sockets[0].Read(t.Context()); (err == nil) != (i < 2) {
			t.Errorf("%d bytes: %s, %v", size, answer, err)
		} else if i == 2 && websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
			t.Error(err)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	_, text := get(t, url)
	return text
}
