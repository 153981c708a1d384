package rpcproxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// calls is a producer that answers each call with its parameters, and notes how the calls came.
type calls struct {
	address                  string
	server                   *httptest.Server
	requests, batched, alone atomic.Int64
	hold                     chan struct{}               // when set, the first request waits for its end
	spoil                    func(answers []byte) []byte // what is done to the answer to a batch
}

func startCalls(t *testing.T) *calls {
	t.Helper()
	c := new(calls)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if c.requests.Add(1) == 1 && c.hold != nil {
			<-c.hold
		}
		var all []struct {
			ID     json.RawMessage `json:"id"`
			Params json.RawMessage `json:"params"`
		}
		batch := json.Unmarshal(body, &all) == nil
		if !batch {
			if json.Unmarshal(append(append([]byte{'['}, body...), ']'), &all) != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
		var answers [][]byte
		for _, one := range all {
			answers = append(answers, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, one.ID, one.Params))
		}
		answer := bytes.Join(answers, []byte(","))
		if batch {
			c.batched.Add(int64(len(all)))
			answer = append(append([]byte{'['}, answer...), ']')
			if c.spoil != nil {
				answer = c.spoil(answer)
			}
		} else {
			c.alone.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	c.address, c.server = server.Listener.Addr().String(), server
	return c
}

// awkward are parameters that look like the end of something.
func awkward(i int) string {
	return fmt.Sprintf(`["}],{\"]\\","%d",{"a":[{}]},"\\\\"]`, i)
}

// together asks n calls while the first is under way, and checks that each gets its own answer.
func together(t *testing.T, g *gatewayOf, c *calls, n int, method string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			want := fmt.Sprintf(`{"jsonrpc":"2.0","id":"%d","result":%s}`, i, awkward(i))
			body := fmt.Sprintf(` {"jsonrpc":"2.0","id":"%d","method":%q,"params":%s} `, i, method, awkward(i))
			if status, _, text := g.post(t, body); status != http.StatusOK || text != want {
				t.Errorf("call %d: %d %s, want %s", i, status, text, want)
			}
		})
		if i == 0 {
			for c.requests.Load() == 0 { // the others come later
			}
		}
	}
	if c.hold != nil {
		close(c.hold)
	}
	all.Wait()
}

func TestReadsThatComeTogetherAreAskedTogether(t *testing.T) {
	c := startCalls(t)
	c.hold = make(chan struct{})
	together(t, start(t, c.address), c, 90, "eth_getBalance")
	if c.requests.Load() > 40 || c.batched.Load() < 50 {
		t.Errorf("90 calls were %d requests, %d of the calls in batches", c.requests.Load(), c.batched.Load())
	}
}

// Calls that ask the same while they wait are one call, and each gets its own id back. One that comes later is asked again: its answer
// may be another.
func TestCallsThatAskTheSameAreOneCall(t *testing.T) {
	const n = 20
	c := startCalls(t)
	c.hold = make(chan struct{})
	g := start(t, c.address)
	var all sync.WaitGroup
	ask := func(i int) {
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":["0x1"]}`, i)
		if status, _, text := g.post(t, fmt.Sprintf(`{"id":%d,"jsonrpc":"2.0","params":["0x1"],"method":"eth_getBalance"}`, i)); status != http.StatusOK || text != want {
			t.Errorf("call %d: %d %s, want %s", i, status, text, want)
		}
	}
	for i := range n {
		all.Go(func() { ask(i) })
		for i == 0 && c.requests.Load() == 0 { // the others come later
			runtime.Gosched()
		}
	}
	for g.figures.begun.Load() < n {
		runtime.Gosched()
	}
	close(c.hold)
	all.Wait()
	before := c.requests.Load()
	if asked := c.alone.Load() + c.batched.Load(); asked > n/2 {
		t.Errorf("%d calls were asked as %d", n, asked)
	}
	for range 3 {
		ask(n)
	}
	if got := c.requests.Load() - before; got != 3 {
		t.Errorf("3 calls one after the other were %d requests", got)
	}
}

// A producer may close a connection that is kept for the next call at any time. The client does not notice.
func TestAKeptConnectionThatTheProducerHasClosedIsNoError(t *testing.T) {
	c := startCalls(t)
	g := start(t, c.address)
	for range 5 {
		if status, _, text := g.post(t, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		c.server.CloseClientConnections()
	}
	if n := g.asked.Load(); n != 0 {
		t.Errorf("the leader was taken for gone %d times", n)
	}
}

func TestWhatMayTakeLongIsAskedAlone(t *testing.T) {
	for _, method := range []string{"eth_getLogs", "eth_getTransactionReceipt", "debug_traceCall", "eth_estimateGas", "eth_sendRawTransaction"} {
		c := startCalls(t)
		together(t, start(t, c.address), c, 20, method)
		if c.batched.Load() != 0 {
			t.Errorf("%s: %d calls came in batches", method, c.batched.Load())
		}
	}
}

// A producer takes the exact name of a field, and a decoder of Go's the last one in any case.
func TestACallThatNamesItsMethodTwiceIsAskedAlone(t *testing.T) {
	const n = 20
	c := startCalls(t)
	c.hold = make(chan struct{})
	g := start(t, c.address)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			g.post(t, `{"jsonrpc":"2.0","id":"1","method":"debug_traceCall","METHOD":"eth_chainId","params":[1]}`)
		})
	}
	for began := time.Now(); c.requests.Load() < n && time.Since(began) < time.Second; { // none waits for the first
		runtime.Gosched()
	}
	close(c.hold)
	all.Wait()
	if c.batched.Load() != 0 {
		t.Errorf("%d calls came in batches", c.batched.Load())
	}
}

// A batch that is not answered call by call is asked again, each call alone.
func TestABatchThatIsNotAnsweredCallByCallIsAskedCallByCall(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"one error": func([]byte) []byte {
			return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}`)
		},
		"one answer too few": func(b []byte) []byte { return append(b[:bytes.LastIndex(b, []byte(`,{"jsonrpc"`))], ']') },
		"too large": func(b []byte) []byte {
			return append(append(b[:bytes.LastIndex(b, []byte(`,{"jsonrpc"`))], `,{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"response too large"}}`...), ']')
		},
		"half": func(b []byte) []byte { return b[:len(b)/2] },
		"long": func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 256<<10)...) },
	} {
		c := startCalls(t)
		c.hold, c.spoil = make(chan struct{}), spoil
		together(t, start(t, c.address), c, 30, "eth_call")
		if c.alone.Load() < 20 {
			t.Errorf("%s: %d calls were asked alone", name, c.alone.Load())
		}
	}
}
