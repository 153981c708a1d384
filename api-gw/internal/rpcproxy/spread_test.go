package rpcproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/rpcproxy"
)

// producer is a leader or replica at some head.
type producer struct {
	*fakes.RPC
	head  atomic.Uint64
	says  atomic.Value // the result, or error, as JSON
	asked atomic.Int64
}

func startProducer(t *testing.T, name string, head uint64) *producer {
	t.Helper()
	p := &producer{RPC: fakes.StartRPC(t, name)}
	p.head.Store(head)
	p.says.Store(fmt.Sprintf(`"result":%q`, name))
	p.Handle(func(w http.ResponseWriter, r *http.Request) {
		call, _ := io.ReadAll(r.Body)
		p.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Blindseq-Head", fmt.Sprintf("%d-%d", p.head.Load(), p.head.Load()))
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+fakes.IDOf(call)+`,`+p.says.Load().(string)+`}`)
	})
	return p
}

func spreading(t *testing.T, leader *producer, others ...*producer) *gatewayOf {
	t.Helper()
	return start(t, leader.Addr(), replicas(others...))
}

// replicas has these serve reads besides the leader.
func replicas(all ...*producer) func(*rpcproxy.Config) {
	return func(c *rpcproxy.Config) {
		c.Replicas = func() (urls []*url.URL) {
			for _, one := range all {
				urls = append(urls, &url.URL{Scheme: "http", Host: one.Addr()})
			}
			return urls
		}
	}
}

func (g *gatewayOf) ask(t *testing.T, body string) string {
	t.Helper()
	status, header, text := g.post(t, body)
	if status != http.StatusOK || header.Get("Blindseq-Head") != "" {
		t.Fatalf("%s: %d %s %v", body, status, text, header)
	}
	return text
}

func callOf(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
}

const aRead = `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x01","0x5"]}`

func TestReadsAreSpreadOverAllReplicasAndTheLeader(t *testing.T) {
	leader, a, b := startProducer(t, "leader", 9), startProducer(t, "a", 9), startProducer(t, "b", 9)
	g := spreading(t, leader, a, b)
	for range 30 {
		g.ask(t, aRead)
	}
	if leader.asked.Load() != 10 || a.asked.Load() != 10 || b.asked.Load() != 10 {
		t.Errorf("asked %d, %d, %d times", leader.asked.Load(), a.asked.Load(), b.asked.Load())
	}
	if g.figures.failed("read by replica") != 20 || g.figures.failed("read by leader") != 10 {
		t.Errorf("counted %v", g.figures.errors)
	}
}

func TestWhatAWalletReliesOnIsAskedOfTheLeaderAlone(t *testing.T) {
	leader, a := startProducer(t, "leader", 9), startProducer(t, "a", 9)
	g := spreading(t, leader, a)
	for _, body := range []string{
		callOf("eth_sendRawTransaction", `["0x00"]`), callOf("eth_getTransactionCount", `["0x01","pending"]`),
		callOf("eth_getTransactionCount", `["0x01","latest"]`), callOf("eth_getTransactionByHash", `["0x01"]`),
		callOf("eth_getTransactionReceipt", `["0x01"]`), callOf("te_getTransactionStatus", `["0x01"]`),
		callOf("eth_getBalance", `["0x01", "pending" ]`), callOf("eth_call", `[{}, "pending"]`), callOf("txpool_content", `[]`),
		callOf("eth_newFilter", `[{}]`), callOf("eth_getBlockByNumber", `["pending",false]`), "nonsense", "[]",
		`[` + aRead + `,` + callOf("eth_getTransactionReceipt", `["0x01"]`) + `]`,
		`[` + callOf("eth_getBlockByHash", `["0x01",false]`) + `]`, callOf("eth_call", `{"to":"0x01"}`),
	} {
		for range 2 {
			g.ask(t, body)
		}
	}
	if a.asked.Load() != 0 {
		t.Errorf("the replica was asked %d times", a.asked.Load())
	}
}

func TestAReplicasAnswerCountsOnlyWhenItSaysSomethingNotOlderThanWhatWasSeen(t *testing.T) {
	leader, a := startProducer(t, "leader", 9), startProducer(t, "a", 8)
	g := spreading(t, leader, a)
	answers := func(body string) (by string) {
		for range 2 { // one turn is the leader's
			if text := g.ask(t, body); strings.Contains(text, `"result":"a"`) {
				by = "a"
			}
		}
		return by
	}
	if by := answers(callOf("eth_blockNumber", `[]`)); by == "a" && leader.asked.Load() == 0 {
		t.Error("the leader was never asked")
	}
	if by := answers(aRead); by == "a" { // the leader has shown block 9
		t.Error("a replica at 8 answered after block 9 was seen")
	}
	a.head.Store(10)
	if by := answers(aRead); by != "a" {
		t.Error("a replica at 10 did not answer")
	}
	for _, nothing := range []string{`"result":null`, `"error":{"code":-32000,"message":"missing trie node"}`} {
		a.says.Store(nothing)
		for range 4 {
			if text := g.ask(t, callOf("eth_getBlockByHash", `["0x01",false]`)); !strings.Contains(text, "leader") {
				t.Errorf("got %s", text)
			}
		}
	}
}

func TestReadsGoOnWhenAReplicaOrTheLeaderIsGone(t *testing.T) {
	leader, a, b := startProducer(t, "leader", 9), startProducer(t, "a", 9), startProducer(t, "b", 9)
	g := spreading(t, leader, a, b)
	a.Stop()
	for range 9 {
		g.ask(t, aRead)
	}
	if b.asked.Load() < 3 {
		t.Errorf("the other replica was asked %d times", b.asked.Load())
	}
	leader.Stop()
	for range 9 {
		g.ask(t, aRead)
	}
	if status, _, _ := g.post(t, callOf("eth_getTransactionReceipt", `["0x01"]`)); status != http.StatusServiceUnavailable {
		t.Errorf("what is the leader's: status %d", status)
	}
}

// Traces and queries for logs are for replicas. What a replica refuses for its limits is not asked of the leader.
func TestTheLeaderIsNotAskedWhatIsHeavy(t *testing.T) {
	leader, a := startProducer(t, "leader", 9), startProducer(t, "a", 9)
	g := spreading(t, leader, a)
	ask := func(times int64) {
		t.Helper()
		before := a.asked.Load()
		for _, body := range []string{callOf("debug_traceCall", `[{},"latest"]`), callOf("eth_getLogs", `[{}]`), callOf("debug_traceTransaction", `["0x01"]`)} {
			for range 3 {
				g.ask(t, body)
			}
		}
		if asked := a.asked.Load() - before; asked != 9 || leader.asked.Load() != times {
			t.Errorf("the replica was asked %d times of 9, the leader %d", asked, leader.asked.Load())
		}
	}
	ask(0)
	a.says.Store(`"error":{"code":-32005,"message":"2 traces run already"}`)
	ask(0)
	a.says.Store(`"result":null`) // it may be behind
	ask(9)
	a.Stop()
	for range 3 {
		if text := g.ask(t, callOf("eth_getLogs", `[{}]`)); !strings.Contains(text, "leader") {
			t.Error(text)
		}
	}
}
