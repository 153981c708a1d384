package bundler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// dial opens a WebSocket to the bundler.
func (w *world) dial(path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	rpc, _ := w.service.Addresses()
	conn, res, err := websocket.Dial(w.t.Context(), "ws://"+rpc+path, &websocket.DialOptions{HTTPHeader: header, HTTPClient: client})
	if err == nil {
		w.t.Cleanup(func() { conn.CloseNow() }) // a test's
	}
	return conn, res, err
}

func (w *world) socket(path string) *websocket.Conn {
	w.t.Helper()
	conn, _, err := w.dial(path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func (w *world) say(conn *websocket.Conn, message string) {
	w.t.Helper()
	if err := conn.Write(w.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hear(conn *websocket.Conn) string {
	w.t.Helper()
	_, message, err := conn.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(message)
}

// over makes a call over a WebSocket and waits for the next message.
func (w *world) over(conn *websocket.Conn, method, params string) answer {
	w.t.Helper()
	w.say(conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, params))
	return decoded(w.t, w.hear(conn))
}

func TestAWebSocketServesWhatHTTPServes(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	for nonce, path := range []string{"/", "/ws"} {
		conn := w.socket(path)
		raw, hash := me.transfer(uint64(nonce), 1, 10, 1)
		if a := w.over(conn, "eth_sendRawTransaction", fmt.Sprintf(`"0x%x"`, raw)); a.Result != hash.Hex() {
			t.Fatalf("send: %+v", a)
		}
		if a := w.over(conn, "eth_getTransactionCount", fmt.Sprintf(`%q,"pending"`, me.from.Hex())); a.Result != fmt.Sprintf("0x%x", nonce+1) {
			t.Errorf("pending count: %+v", a)
		}
		w.say(conn, `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":2,"method":"eth_sendTransaction","params":[{}]}]`)
		var answers []answer
		if text := w.hear(conn); json.Unmarshal([]byte(text), &answers) != nil || len(answers) != 2 || answers[0].Result != "0x539" || answers[1].Error == nil {
			t.Errorf("batch: %s", text)
		}
		w.say(conn, "garbage")
		if a := decoded(t, w.hear(conn)); a.Error == nil || a.Error.Code != -32700 {
			t.Errorf("garbage: %+v", a)
		}
		w.say(conn, `{"jsonrpc":"2.0","method":"eth_chainId"}`) // nobody waits for an answer: the next one is another's
		if a := w.over(conn, "eth_blockNumber", ""); a.Result != "0x5" {
			t.Errorf("after a notification: %+v", a)
		}
	}
	if n := len(w.rollup.Sealed(t, 2)); n != 2 {
		t.Errorf("%d were sealed", n)
	}
}

func TestACallThatWaitsHoldsNoOtherUp(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	conn := w.socket("/")
	raw, hash := me.transfer(0, 1, 10, 1)
	w.say(conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":9,"method":"eth_sendRawTransactionSync","params":["0x%x"]}`, raw))
	id := w.id(w.rollup.Sealed(t, 1)[0])
	if a := w.over(conn, "eth_chainId", ""); a.Result != "0x539" {
		t.Errorf("another call: %+v", a)
	}
	w.rollup.Include(hash, me.from, 1)
	w.rollup.Order(id, "executed", 6)
	if text := w.hear(conn); !strings.Contains(text, `"id":9`) || !strings.Contains(text, hash.Hex()) {
		t.Errorf("the receipt: %s", text)
	}
}

func TestSubscriptionsAreTheObservers(t *testing.T) {
	w := newWorld(t)
	conn, other := w.socket("/"), w.socket("/")
	if a := w.over(conn, "eth_subscribe", `"newHeads"`); a.Result != "0x1" {
		t.Fatalf("subscribe: %+v", a)
	}
	w.rollup.Push(`{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{"number":"0x6"}}}`)
	if text := w.hear(conn); !strings.Contains(text, `"number":"0x6"`) {
		t.Errorf("it shows %s", text)
	}
	if a := w.over(conn, "eth_unsubscribe", `"0x1"`); a.Error != nil {
		t.Errorf("unsubscribe: %+v", a)
	}
	if a := w.over(other, "eth_chainId", ""); a.Result != "0x539" {
		t.Errorf("one without subscriptions: %+v", a)
	}
	w.rollup.Hang()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the observer is gone: %v", err)
	}
	if a := w.over(other, "eth_chainId", ""); a.Result != "0x539" {
		t.Errorf("one without subscriptions, afterwards: %+v", a)
	}
}

func TestAWebSocketEndsWithTheBundler(t *testing.T) {
	w := newWorld(t)
	conn := w.socket("/")
	ended := make(chan error, 1)
	go func() { _, _, err := conn.Read(t.Context()); ended <- err }()
	w.stop()
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("ended with %v", err)
	}
}

func TestAWebSocketOfAnotherOriginIsRefused(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.CORSOrigins = []string{"https://dapp.example"}
	w.start()
	for origin, want := range map[string]int{"https://dapp.example": http.StatusSwitchingProtocols, "https://evil.example": http.StatusForbidden} {
		if _, res, _ := w.dial("/", http.Header{"Origin": {origin}}); res == nil || res.StatusCode != want {
			t.Errorf("%s: %+v, want %d", origin, res, want)
		}
	}
}

func TestWithoutAnObserverThereAreNoSubscriptions(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.ObserverRPC = ""
	w.start()
	conn := w.socket("/")
	if a := w.over(conn, "eth_subscribe", `"newHeads"`); a.Error == nil || !strings.Contains(a.Error.Message, "--observer-rpc") {
		t.Errorf("subscribe: %+v", a)
	}
	if a := w.over(conn, "eth_chainId", ""); a.Result != "0x539" {
		t.Errorf("what names nobody: %+v", a)
	}
}
