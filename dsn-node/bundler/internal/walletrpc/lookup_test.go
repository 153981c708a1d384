package walletrpc

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/kit/budget"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
)

// leaving is an intake with one transaction, which enters a block while the observer answers that it does not know it.
type leaving struct {
	nothing
	here bool
}

func (l *leaving) Look(ctx context.Context, hash common.Hash, placed bool) (f bundling.Found, err error) {
	if !l.here {
		return f, nil
	}
	return l.nothing.Look(ctx, hash, placed)
}

func (l *leaving) Forward(_ context.Context, body []byte) (*http.Response, error) {
	l.here = false
	answer := `{"jsonrpc":"2.0","id":1,"result":null}`
	if body[0] == '[' {
		answer = "[" + answer + "]"
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

func TestATransactionIsFoundThoughItEntersABlockWhileItIsLookedFor(t *testing.T) {
	call := `{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByHash","params":["` + common.Hash{7}.Hex() + `"]}`
	for _, body := range []string{call, "[" + call + "]"} {
		l := &leaving{here: true}
		h := NewHandler(l, Backends{Leader: new(nothing), Observer: l}, Limits{Body: 1 << 10, Batch: 1, Timeout: time.Minute}, func(string, string) {}, slog.New(slog.DiscardHandler))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		if !strings.Contains(w.Body.String(), someTransaction().Hash().Hex()) {
			t.Errorf("%s is answered with %s", body, w.Body)
		}
	}
}

// asked is an intake that everything waits at, and an observer that notes what it is asked.
type asked struct {
	nothing
	answer string
	bodies []string
}

func (a *asked) Forward(_ context.Context, body []byte) (*http.Response, error) {
	a.bodies = append(a.bodies, string(body))
	answer := a.answer
	if body[0] == '[' {
		answer = "[" + answer + "]"
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

func (*asked) AwaitEnd(ctx context.Context, _ common.Hash) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestTheObserverHoldsACallForTheReceiptOfWhatWaits(t *testing.T) {
	call := `{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionReceipt","params":["` + common.Hash{7}.Hex() + `"]}`
	send := `{"jsonrpc":"2.0","id":2,"method":"eth_sendRawTransaction","params":["0x02"]}`
	number := `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`
	for name, c := range map[string]struct {
		body, answer string
		hold         time.Duration
		want         []string // parts of what the observer is asked, one after the other
	}{
		"held":                              {call, `{"id":1,"result":{}}`, time.Second, []string{`"te_awaitReceipt","params":["` + common.Hash{7}.Hex() + `",1000]`}},
		"an observer of an earlier version": {call, `{"id":1,"error":{"code":-32601}}`, time.Second, []string{"te_awaitReceipt", "eth_getTransactionReceipt"}},
		"not held":                          {call, `{"id":1,"result":{}}`, 0, []string{"eth_getTransactionReceipt"}},
		"in a batch":                        {"[" + call + "]", `{"id":1,"result":{}}`, time.Second, []string{`"te_awaitReceipt","params":["` + common.Hash{7}.Hex(), "eth_getTransactionReceipt"}},
		"in a batch, not held":              {"[" + call + "]", `{"id":1,"result":{}}`, 0, []string{"eth_getTransactionReceipt"}},
		"sent in a batch with others":       {"[" + number + "," + send + "]", `{"id":1,"result":{}}`, time.Second, []string{`"te_awaitReceipt","params":["` + common.Hash{1}.Hex(), "eth_blockNumber"}},
		"sent in a batch of its own":        {"[" + send + "]", `{"id":1,"result":{}}`, time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := &asked{answer: c.answer}
			h := NewHandler(a, Backends{Leader: new(nothing), Observer: a}, Limits{Body: 1 << 10, Batch: 2, Timeout: time.Minute, ReceiptHold: c.hold}, func(string, string) {}, slog.New(slog.DiscardHandler))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body)))
			if len(a.bodies) != len(c.want) {
				t.Fatalf("it is asked %v", a.bodies)
			}
			for i, want := range c.want {
				if !strings.Contains(a.bodies[i], want) {
					t.Errorf("it is asked %s, want %s", a.bodies[i], want)
				}
			}
		})
	}
}

func TestABundlersClientsHaveBudgets(t *testing.T) {
	b, err := budget.New(budget.Flags{
		Connections: 1, Requests: 1, Sockets: 1, Units: 1, Burst: 10, ReadingBytes: 1 << 20, Costs: map[string]int{"eth_call": 10},
	}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{answer: `{"id":1,"result":{}}`}
	h := budgeted(b, NewHandler(a, Backends{Leader: a, Observer: a}, Limits{Body: 1 << 20, Batch: 5, Timeout: time.Minute}, func(string, string) {}, slog.New(slog.DiscardHandler)))
	ask := func(client, body string) (int, string) {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.RemoteAddr = client + ":1"
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	call := `{"jsonrpc":"2.0","id":7,"method":"eth_call","params":[]}`
	if status, text := ask("203.0.113.7", call); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for _, body := range []string{call, "[" + call + ",7]", strings.Replace(call, "method", "METHOD", 1), call + strings.Repeat(" ", 500_000)} {
		if status, text := ask("203.0.113.7", body); status != http.StatusTooManyRequests || !strings.Contains(text, "-32005") {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, text := ask("203.0.113.8", call); status != http.StatusOK {
		t.Errorf("another client: %d %s", status, text)
	}
	if status, _ := ask("127.0.0.1", call); status != http.StatusOK {
		t.Error("on this machine there is no budget")
	}
}

// A node reads the exact names of fields, Go's decoder any case and the last one. What a call is judged by must be what is forwarded.
func TestWhatIsForwardedIsWhatWasJudged(t *testing.T) {
	public := `"jsonrpc":"2.0","id":1,"method":"debug_traceCall","params":[{}],"METHOD":"eth_chainId","Params":[]`
	for _, body := range []string{"{" + public + "}", "[{" + public + "}]", `{"jsonrpc":"2.0","id":1,"method":"debug_traceCall","method":"eth_chainId"}`} {
		leader := &asked{answer: `{"id":1,"result":"0x1"}`}
		h := NewHandler(new(asked), Backends{Leader: leader}, Limits{Body: 1 << 10, Batch: 1, Timeout: time.Minute}, func(string, string) {}, slog.New(slog.DiscardHandler))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		if len(leader.bodies) != 1 || strings.Contains(leader.bodies[0], "debug_traceCall") || !strings.Contains(leader.bodies[0], `"method":"eth_chainId"`) {
			t.Errorf("%s: the leader is asked %v", body, leader.bodies)
		}
	}
}

// What a batch of five megabytes holds would take hundreds of them: it is refused before it is read into a list.
func TestALongBatchIsRefusedBeforeItIsReadIntoAList(t *testing.T) {
	a := &asked{answer: `[]`}
	h := NewHandler(a, Backends{Leader: a, Observer: a}, Limits{Body: 6 << 20, Batch: 5, Timeout: time.Minute}, func(string, string) {}, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	body := "[" + strings.Repeat("1,", 5<<19) + "1]"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 || !strings.Contains(w.Body.String(), "at most 5 calls") {
		t.Errorf("it took %d MiB: %s", took>>20, w.Body)
	}
}
