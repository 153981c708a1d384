package rpcproxy

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"

	"github.com/tidwall/gjson"
)

// Reads that come at the same time travel as one batch: a connection's costs are then those of all of them together. Nobody waits for
// a batch to fill: the first call goes at once, and those that come while it is under way go together after it. Calls that ask the same
// are one call of their batch. It is sent after the last of them has come, so that each gets an answer as new as if asked alone.
const (
	maxJoined       = 16        // different calls of one batch
	maxJoinedBody   = 8 << 10   // of one call
	maxJoinedAnswer = 256 << 10 // of one batch: it is kept until its clients have read it, which a longer one is not
)

// joinedMethods are the reads that take about as long as the call itself, so that none waits for long behind another. A call of
// eth_call may take longer; it is joined with calls of its own client alone, as all are.
func joinedMethods() map[string]bool {
	all := map[string]bool{}
	for _, m := range []string{
		"eth_chainId", "net_version", "web3_clientVersion", "eth_blockNumber", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_getBalance",
		"eth_getCode", "eth_getStorageAt", "eth_call", "eth_getBlockByNumber", "eth_getBlockTransactionCountByNumber",
		"eth_getTransactionByBlockNumberAndIndex",
	} {
		all[m] = true
	}
	return all
}

// question is a call without what differs between those who ask the same.
type question struct {
	id   string // of this caller's answer
	asks string // the members method and params
}

// joinable returns a request as a question when it is one call that may travel in a batch with others; nil when it is not. Its id is a
// string or a number: what has none gets no answer. It has each member once, and no others: of several a producer takes which it likes.
func (p *Proxy) joinable(body []byte) *question {
	if len(body) > maxJoinedBody {
		return nil
	}
	c, plain := jsonrpc.ParsePlain(body)
	switch {
	case !plain, c.Version.Str != "2.0", c.ID.Type != gjson.String && c.ID.Type != gjson.Number, !p.joiner.methods[c.Method.Str]:
		return nil
	case c.Method.Str == "eth_getBlockByNumber" && strings.Contains(c.Params.Raw, "true"): // whole transactions make it long
		return nil
	}
	asks := `"method":"` + c.Method.Str + `"`
	if c.Params.Exists() {
		asks += `,"params":` + c.Params.Raw
	}
	return &question{c.ID.Raw, asks}
}

// errAlone says that a call's batch was not answered as a batch of calls is: the call has to be asked alone.
var errAlone = errors.New("the batch was not answered call by call")

// joiner sends calls to producers.
type joiner struct {
	methods map[string]bool
	timeout time.Duration

	mu    sync.Mutex
	lanes map[laneOf]*lane
}

func newJoiner(timeout time.Duration) *joiner {
	return &joiner{methods: joinedMethods(), timeout: timeout, lanes: map[laneOf]*lane{}}
}

// laneOf is one client's way to one producer.
type laneOf struct {
	client *budget.Client // nil for all without a budget
	host   string
	over   *short
}

// lane has half as many batches under way as there are processors, and those that wait for one of them to end.
type lane struct {
	underWay int
	waiting  []*batch
}

// ask sends a call, alone or with others, and returns its answer and the header that came with it.
func (j *joiner) ask(ctx context.Context, to route, q *question) ([]byte, http.Header, error) {
	at := laneOf{budget.Of(ctx), to.to.Host, to.over}
	b, place, first := j.board(at, q.asks)
	if first {
		j.travel(at, to, onBehalf(ctx))
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if b.err != nil {
		return nil, nil, b.err
	}
	return slices.Concat([]byte(beginning), []byte(q.id), b.answers[place]), b.header, nil
}

// board puts a call into the batch that is filled now. The caller sends a batch if sends is true.
func (j *joiner) board(at laneOf, call string) (b *batch, place int, sends bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lanes[at]
	if l == nil {
		l = new(lane)
		j.lanes[at] = l
	}
	if n := len(l.waiting); n == 0 || l.waiting[n-1].full() {
		l.waiting = append(l.waiting, &batch{places: map[string]int{}, began: time.Now(), done: make(chan struct{})})
	}
	b = l.waiting[len(l.waiting)-1]
	if sends = l.underWay < max(1, runtime.GOMAXPROCS(0)/2); sends {
		l.underWay++
	}
	return b, b.add(call), sends
}

// travel sends the batch that has waited longest, and has the next one sent.
func (j *joiner) travel(at laneOf, to route, client string) {
	runtime.Gosched() // calls that have arrived get on first; when there are none, this takes no time
	if b := j.depart(at); b != nil {
		b.send(to, client, j.timeout)
		close(b.done)
	}
	if j.more(at) {
		go j.travel(at, to, client)
	}
}

// depart takes the batch that has waited longest out of its lane: no call gets on any more. It is nil when another has taken it.
func (j *joiner) depart(at laneOf) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lanes[at]
	if len(l.waiting) == 0 {
		return nil
	}
	b := l.waiting[0]
	l.waiting = l.waiting[1:]
	return b
}

// more reports whether a batch waits. If none does, the caller sends no more.
func (j *joiner) more(at laneOf) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lanes[at]
	if len(l.waiting) > 0 {
		return true
	}
	if l.underWay--; l.underWay == 0 {
		delete(j.lanes, at)
	}
	return false
}
