package rpcproxy_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/seal"

	"github.com/coder/websocket"
)

type unrecorded struct{}

func (unrecorded) Held(string, int)                        {}
func (unrecorded) Repeat(string, string)                   {}
func (unrecorded) HoldEnded(string, string, time.Duration) {}

// holding is a proxy that holds requests for so long at most.
func holding(t *testing.T, leader string, timeout time.Duration, change ...func(*rpcproxy.Config)) *gatewayOf {
	t.Helper()
	room := hold.New(hold.Config{Timeout: timeout, Max: 8, Recorder: unrecorded{}, Log: slog.New(slog.DiscardHandler)})
	return start(t, leader, append(change, func(c *rpcproxy.Config) {
		c.Hold = room.Line(t.Context(), hold.Backend{Name: "leader"})
	})...)
}

// says makes a producer answer its requests one after the other, the last text from then on. "" breaks the connection.
func says(p *fakes.RPC, answers ...string) *atomic.Int64 {
	asked := new(atomic.Int64)
	p.Handle(func(w http.ResponseWriter, _ *http.Request) {
		text := answers[min(int(asked.Add(1)), len(answers))-1]
		if text == "" {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	})
	return asked
}

const (
	// keccak256("hello") is the hash of these bytes.
	aSend     = `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x68656c6c6f"]}`
	helloHash = "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"

	isTaken  = `{"jsonrpc":"2.0","id":1,"result":"` + helloHash + `"}`
	isKnown  = `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"nonce too low","data":{"known":true}}}`
	isBad    = `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"insufficient funds"}}`
	isNotNow = `{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"1 of 2 standbys"}}`
)

func TestARequestIsHeldUntilSomebodyLeads(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, "", 10*time.Second)
	go func() { <-time.After(30 * time.Millisecond); g.lead(p.Addr()) }()
	if status, _, text := g.post(t, chainID); status != 200 || !strings.Contains(text, "one") {
		t.Errorf("got %d %s", status, text)
	}
}

func TestARequestWhoseProducerDiedIsAskedOfTheNext(t *testing.T) {
	one, two := fakes.StartRPC(t, "one"), fakes.StartRPC(t, "two")
	g := holding(t, one.Addr(), 10*time.Second)
	one.Handle(func(http.ResponseWriter, *http.Request) {
		g.lead(two.Addr())
		panic(http.ErrAbortHandler)
	})
	if status, _, text := g.post(t, chainID); status != 200 || !strings.Contains(text, "two") {
		t.Errorf("got %d %s", status, text)
	}
	if g.asked.Load() == 0 {
		t.Error("nobody was told that the leader is unreachable")
	}
}

func TestHalfAnAnswerIsAskedForAgain(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	var asked atomic.Int64
	p.Handle(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"jsonrpc"`))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, isTaken)
	})
	g := holding(t, p.Addr(), 10*time.Second)
	if status, _, text := g.post(t, aSend); status != 200 || text != isTaken {
		t.Errorf("got %d %s", status, text)
	}
}

func TestATransactionWhoseFirstTryWasTakenIsTaken(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, p.Addr(), 10*time.Second)
	for name, lost := range map[string]string{"answer lost": "", "not now": isNotNow} {
		asked := says(p, lost, isKnown)
		if status, _, text := g.post(t, aSend); status != 200 || text != isTaken || asked.Load() != 2 {
			t.Errorf("%s: asked %d times, got %d %s", name, asked.Load(), status, text)
		}
	}
	sync := strings.Replace(aSend, "eth_sendRawTransaction", "eth_sendRawTransactionSync", 1)
	says(p, "", isKnown)
	if status, _, text := g.post(t, sync); status != 200 || !strings.Contains(text, `"code":4,`) || !strings.Contains(text, `"data":"`+helloHash+`"`) {
		t.Errorf("sync: got %d %s", status, text)
	}
}

func TestASealedTransactionWhoseFirstTryWasTakenIsAnsweredWithItsID(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, p.Addr(), 10*time.Second)
	raw := fakes.Sealed(3)
	sealed, err := seal.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	says(p, "", isKnown)
	want := `{"jsonrpc":"2.0","id":1,"result":"` + sealed.ID().String() + `"}`
	if status, _, text := g.post(t, strings.Replace(aSend, "68656c6c6f", hex.EncodeToString(raw), 1)); status != 200 || text != want {
		t.Errorf("got %d %s, want %s", status, text, want)
	}
}

func TestOfABatchEachTransactionIsAnsweredForItself(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, p.Addr(), 10*time.Second)
	one := func(id int, rest string) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,%s}`, id, rest) }
	call := `"method":"eth_sendRawTransaction","params":["0x68656c6c6f"]`
	bad, known, notNow := `"error":{"code":-32000,"message":"bad"}`, `"error":{"code":-32000,"message":"already known","data":{"known":true}}`,
		`"error":{"code":-32002,"message":"away"}`
	taken := `"result":"` + helloHash + `"`
	says(p, "["+one(1, taken)+","+one(2, bad)+","+one(3, notNow)+"]", "["+one(1, known)+","+one(2, bad)+","+one(3, taken)+"]")
	status, _, text := g.post(t, "["+one(1, call)+","+one(2, call)+","+one(3, call)+"]")
	if want := "[" + one(1, taken) + "," + one(2, bad) + "," + one(3, taken) + "]"; status != 200 || text != want {
		t.Errorf("got %d %s", status, text)
	}
}

func TestWhatIsWrongWithATransactionIsNotRepeated(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, p.Addr(), 10*time.Second)
	for _, answer := range []string{isBad, isKnown} { // the first try: what is known was known before
		asked := says(p, answer)
		if status, _, text := g.post(t, aSend); status != 200 || text != answer || asked.Load() != 1 {
			t.Errorf("asked %d times, got %d %s", asked.Load(), status, text)
		}
	}
	says(p, "", isBad)
	if _, _, text := g.post(t, aSend); text != isBad {
		t.Errorf("after a repeat: got %s", text)
	}
}

func TestARequestHeldInVainIsToldWhyAndWhenToComeAgain(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	says(p, isNotNow)
	for name, c := range map[string]struct{ leader, reason string }{
		"nobody leads": {"", "no producer leads now; try again; held for "},
		"dead":         {"127.0.0.1:1", "the leading producer does not answer; try again. A transaction sent may have been taken; held for "},
		"not taken":    {p.Addr(), "a transaction cannot be accepted now: 1 of 2 standbys; held for "},
	} {
		g := holding(t, c.leader, 100*time.Millisecond)
		status, header, text := g.post(t, aSend)
		if status != 503 || header.Get("Retry-After") != "1" || !strings.Contains(text, `"id":1,"error":{"code":-32002,"message":"`+c.reason) {
			t.Errorf("%s: got %d %s", name, status, text)
		}
	}
}

func TestAReadIsAnsweredByAReplicaThatComesWhileItIsHeld(t *testing.T) {
	leader, a := startProducer(t, "leader", 9), startProducer(t, "a", 8)
	g := holding(t, leader.Addr(), 10*time.Second, replicas(a))
	_ = g.ask(t, callOf("eth_getTransactionCount", `["0x01","latest"]`)) // the leader shows block 9
	leader.Stop()
	done := make(chan string, 1)
	go func() { done <- g.ask(t, aRead) }()
	until(t, func() bool { return a.asked.Load() > 2 || len(done) == 1 })
	a.head.Store(9)
	if text := <-done; !strings.Contains(text, `"a"`) || a.asked.Load() <= 2 {
		t.Errorf("asked %d times, got %s", a.asked.Load(), text)
	}
}

// until polls for what comes by itself.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(10 * time.Second); !ok(); {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("it did not come to that")
		}
	}
}

func TestASocketIsJoinedWhenSomebodyLeads(t *testing.T) {
	p := fakes.StartRPC(t, "one")
	g := holding(t, "", 10*time.Second)
	go func() { <-time.After(30 * time.Millisecond); g.lead(p.Addr()) }()
	c, _, err := websocket.Dial(t.Context(), strings.Replace(g.url, "http", "ws", 1)+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say(t, c, "a", "one:a")
}

// Repeated, they would make two blocks, or move the clock twice as far. What was never sent can be.
func TestACallThatIsNotTheSameTwiceIsNotRepeated(t *testing.T) {
	const mines, mined = `{"jsonrpc":"2.0","id":1,"method":"evm_mine"}`, `{"jsonrpc":"2.0","id":1,"result":"0x0"}`
	for _, call := range []string{
		mines, "[" + chainID + "," + mines + "]", strings.Replace(mines, "evm_mine", "hardhat_mine", 1),
		strings.Replace(mines, "evm_mine", `anvil_\u006dine`, 1), strings.Replace(mines, "evm_mine", "evm_increaseTime", 1),
		strings.Replace(mines, "evm_mine", "eth_sendTransaction", 1),
	} {
		p := fakes.StartRPC(t, "one")
		asked := says(p, "", mined)
		g := holding(t, p.Addr(), 10*time.Second)
		if status, _, text := g.post(t, call); status != http.StatusServiceUnavailable || !strings.Contains(text, "may have been carried out") || asked.Load() != 1 {
			t.Errorf("%s: asked %d times: %d %s", call, asked.Load(), status, text)
		}
	}
	p := fakes.StartRPC(t, "one")
	asked := says(p, mined)
	g := holding(t, "127.0.0.1:1", 10*time.Second)
	go func() { <-time.After(30 * time.Millisecond); g.lead(p.Addr()) }()
	if status, _, text := g.post(t, mines); status != http.StatusOK || asked.Load() != 1 {
		t.Errorf("one that could not be sent: %d %s", status, text)
	}
}
