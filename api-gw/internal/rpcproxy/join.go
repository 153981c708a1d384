package rpcproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"time"

	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"
)

// Reads that come at the same time travel as one batch: a connection's costs are then those of all of them together. Nobody waits for
// a batch to fill: the first call goes at once, and those that come while it is under way go together after it.
const (
	maxJoined       = 16        // calls of one batch
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

// joinable reports whether a request is one call that may travel in a batch with others. It has an id: what has none gets no answer. It
// names its method once: of several names a producer takes which it likes.
func (p *Proxy) joinable(body []byte) bool {
	if len(body) > maxJoinedBody {
		return false
	}
	var c struct {
		ID json.RawMessage `json:"id"`
		jsonrpc.Call
	}
	if json.Unmarshal(body, &c) != nil || len(c.ID) == 0 || len(c.Methods) != 1 || !p.joiner.methods[c.Methods[0]] {
		return false
	}
	return c.Methods[0] != "eth_getBlockByNumber" || !bytes.Contains(body, []byte("true")) // whole transactions make it long
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
}

// lane has half as many batches under way as there are processors, and those that wait for one of them to end.
type lane struct {
	underWay int
	waiting  []*batch
}

// batch is calls that travel together.
type batch struct {
	body    bytes.Buffer // the calls with commas between them
	calls   int
	done    chan struct{} // closed when there are answers, or err
	answers [][]byte
	header  http.Header
	err     error
}

// ask sends a call, alone or with others, and returns its answer and the header that came with it. The answer is not changed later.
func (j *joiner) ask(ctx context.Context, through http.RoundTripper, to *url.URL, call []byte) ([]byte, http.Header, error) {
	at := laneOf{budget.Of(ctx), to.Host}
	b, place, mine := j.board(at, call)
	if mine {
		j.travel(context.WithoutCancel(ctx), at, through, to, b)
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if b.err != nil {
		return nil, nil, b.err
	}
	return b.answers[place], b.header, nil
}

// board puts a call into a batch. The caller sends it if the batch is its own.
func (j *joiner) board(at laneOf, call []byte) (b *batch, place int, mine bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lanes[at]
	if l == nil {
		l = new(lane)
		j.lanes[at] = l
	}
	if n := len(l.waiting); n > 0 && l.waiting[n-1].calls < maxJoined {
		b = l.waiting[n-1]
	} else {
		b = &batch{done: make(chan struct{})}
		if mine = l.underWay < max(1, runtime.GOMAXPROCS(0)/2); mine {
			l.underWay++
		} else {
			l.waiting = append(l.waiting, b)
		}
	}
	if b.calls > 0 {
		b.body.WriteByte(',')
	}
	b.body.Write(call)
	b.calls++
	return b, b.calls - 1, mine
}

// travel sends a batch, and has the next one sent.
func (j *joiner) travel(ctx context.Context, at laneOf, through http.RoundTripper, to *url.URL, b *batch) {
	b.send(ctx, j.timeout, through, to)
	close(b.done)
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lanes[at]
	if len(l.waiting) > 0 {
		next := l.waiting[0]
		l.waiting = l.waiting[1:]
		go j.travel(ctx, at, through, to, next)
		return
	}
	if l.underWay--; l.underWay == 0 {
		delete(j.lanes, at)
	}
}

func (b *batch) send(ctx context.Context, timeout time.Duration, through http.RoundTripper, to *url.URL) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	data := b.body.Bytes()
	if b.calls > 1 {
		data = append(append(append(make([]byte, 0, len(data)+2), '['), data...), ']')
	}
	res, err := through.RoundTrip(requestTo(ctx, to, &payload{data: data}))
	if err != nil {
		b.err = err
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxJoinedAnswer+1))
	switch {
	case err != nil:
		b.err = fmt.Errorf("read answer: %w", err)
	case res.StatusCode != http.StatusOK, len(answer) > maxJoinedAnswer:
		b.err = errAlone
	case b.calls == 1:
		b.answers, b.header = [][]byte{answer}, res.Header
	default:
		b.answers, b.header = split(answer, b.calls), res.Header
		if b.answers == nil || bytes.Contains(answer, tooLarge) {
			b.err = errAlone
		}
	}
}

// tooLarge is the error of calls whose answers did not fit into that of their batch.
var tooLarge = []byte(`"error":{"code":-32003,`)

// split takes a producer's answer to n calls apart; nil when it is no array of n objects.
func split(answer []byte, n int) [][]byte {
	answer = bytes.TrimSpace(answer)
	if len(answer) < 2 || answer[0] != '[' || answer[len(answer)-1] != ']' {
		return nil
	}
	all, depth, begin := make([][]byte, 0, n), 0, 0
	for i := 1; i < len(answer)-1; i++ {
		switch answer[i] {
		case '"':
			for i++; i < len(answer) && answer[i] != '"'; i++ {
				if answer[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth == 0 {
				begin = i
			}
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				all = append(all, bytes.Clone(answer[begin:i+1])) // who reads slowly keeps its own alone
			}
		}
	}
	if len(all) != n || depth != 0 {
		return nil
	}
	return all
}
