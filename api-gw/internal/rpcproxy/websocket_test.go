package rpcproxy_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/rpcproxy"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func (g *gatewayOf) dial(t *testing.T, path string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	c, res, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(g.url, "http")+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		if res == nil {
			t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	return c, 101
}

func say(t *testing.T, c *websocket.Conn, text, want string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	kind, got, err := c.Read(t.Context())
	if err != nil || kind != websocket.MessageText || string(got) != want {
		t.Fatalf("got %.60q, %v", got, err)
	}
}

// ended reads until the close frame and returns it.
func ended(t *testing.T, c *websocket.Conn) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, _, err := c.Read(ctx)
	var said websocket.CloseError
	if !errors.As(err, &said) {
		t.Fatalf("the socket ended without a close frame: %v", err)
	}
	return said
}

func TestMessagesGoBothWaysOnBothPaths(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	for _, path := range []string{"/", "/ws"} {
		c, _ := g.dial(t, path, nil)
		if c == nil {
			t.Fatal("refused")
		}
		say(t, c, "hello", "one:hello")
		big := strings.Repeat("y", 60<<10)
		say(t, c, big, "one:"+big)
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("%s: close: %v", path, err)
		}
	}
}

func TestASocketIsToldWhenAnotherLeads(t *testing.T) {
	one, two := fakes.StartRPC(t, "one"), fakes.StartRPC(t, "two")
	g := start(t, one.Addr())
	c, _ := g.dial(t, "/ws", nil)
	say(t, c, "a", "one:a")
	g.lead(two.Addr())
	if said := ended(t, c); said.Code != websocket.StatusServiceRestart || !strings.Contains(said.Reason, "connect again") {
		t.Errorf("got %+v", said)
	}
	again, _ := g.dial(t, "/ws", nil)
	say(t, again, "b", "two:b")
}

func TestASocketIsToldWhenTheProducerIsGone(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	c, _ := g.dial(t, "/", nil)
	say(t, c, "a", "one:a")
	p.CloseSockets()
	if said := ended(t, c); said.Code != websocket.StatusBadGateway {
		t.Errorf("got %+v", said)
	}
	said, _ := g.dial(t, "/", nil)
	if err := said.Write(t.Context(), websocket.MessageText, []byte("close")); err != nil {
		t.Fatal(err)
	}
	if e := ended(t, said); e.Code != websocket.StatusPolicyViolation || e.Reason != "as asked" {
		t.Errorf("the producer's own close became %+v", e)
	}
	if g.figures.failed(rpcproxy.Broken) != 1 {
		t.Errorf("counted %v", g.figures.errors)
	}
}

func TestStopEndsSocketsAndLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	c, _ := g.dial(t, "/", nil)
	say(t, c, "a", "one:a")
	if g.figures.open() != 1 {
		t.Errorf("%d are open", g.figures.open())
	}
	closed := make(chan websocket.CloseError, 1)
	go func() {
		var said websocket.CloseError
		_, _, err := c.Read(context.WithoutCancel(t.Context()))
		errors.As(err, &said)
		closed <- said
	}()
	began := time.Now()
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if said := <-closed; said.Code != websocket.StatusGoingAway {
		t.Errorf("got %+v", said)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if g.figures.open() != 0 {
		t.Errorf("%d are open", g.figures.open())
	}
	p.Stop()
	g.client.CloseIdleConnections()
}

func TestAMessageThatIsTooLargeEndsItsSocket(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr())
	c, _ := g.dial(t, "/", nil)
	if err := c.Write(t.Context(), websocket.MessageText, make([]byte, 65<<10)); err != nil {
		t.Fatal(err)
	}
	if said := ended(t, c); said.Code != websocket.StatusMessageTooBig {
		t.Errorf("got %+v", said)
	}
}

func TestSocketsThatAreRefused(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := start(t, p.Addr(), func(c *rpcproxy.Config) { c.Origins = []string{"https://app.example"} })
	if _, status := g.dial(t, "/ws", http.Header{"Origin": {"https://evil.example"}}); status != 403 {
		t.Errorf("another origin: %d", status)
	}
	first, _ := g.dial(t, "/ws", http.Header{"Origin": {"https://app.example"}})
	second, _ := g.dial(t, "/ws", nil)
	say(t, first, "a", "one:a")
	say(t, second, "a", "one:a")
	if _, status := g.dial(t, "/ws", nil); status != 503 {
		t.Errorf("one too many: %d", status)
	}
	nobody := start(t, "")
	if _, status := nobody.dial(t, "/ws", nil); status != 503 {
		t.Errorf("nobody leads: %d", status)
	}
	dead := start(t, "127.0.0.1:1")
	if _, status := dead.dial(t, "/ws", nil); status != 503 || dead.asked.Load() != 1 {
		t.Errorf("a dead leader: %d", status)
	}
}
