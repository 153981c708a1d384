package rpcproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"blindseq/kit/jsonrpc"
)

// Which replica answered a read, the label of its counter.
const (
	ByLeader  = "leader"
	ByReplica = "replica"
	AskedOver = "asked_over" // the leader, because the replica's answer was not usable
)

const (
	// headHeader is on every answer of a producer: the number of its head before and after the request, "12-13".
	headHeader = "Blindseq-Head"
	// shortAnswer is the maximum size of an answer that may say nothing: null, or an error.
	shortAnswer = 4 << 10
	// replicaTries is the maximum number of replicas asked for one read. Any of them may have stopped just now.
	replicaTries = 2
)

// horizon is the newest block that an answer of this gateway may have shown. A replica's answer counts only when the
// replica had that block before it answered: reads through one gateway never go back in time.
type horizon struct{ seen atomic.Uint64 }

// note records an answer that is forwarded.
func (h *horizon) note(header http.Header) {
	_, after, ok := headOf(header)
	for seen := h.seen.Load(); ok && after > seen && !h.seen.CompareAndSwap(seen, after); seen = h.seen.Load() {
	}
}

// headOf parses the header.
func headOf(header http.Header) (before, after uint64, ok bool) {
	first, second, _ := strings.Cut(header.Get(headHeader), "-")
	before, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	after, err = strconv.ParseUint(second, 10, 64)
	return before, after, err == nil
}

// read is a request that any replica may answer.
type read struct {
	*exchange
	replicas []*url.URL // not asked yet, best first
	seen     uint64
	heavy    bool // the leader answers it only when no replica does
	older    bool // the leader does not keep what it asks for
}

// others reports whether there are replicas that were not asked yet.
func (one *read) others() bool { return one != nil && len(one.replicas) > 0 }

// asRead returns the request as a read. It is nil when only the leader may answer it, or there is no other replica.
func (p *Proxy) asRead(x *exchange) *read {
	if p.cfg.Replicas == nil {
		return nil
	}
	replicas := p.cfg.Replicas()
	if len(replicas) == 0 {
		return nil
	}
	anywhere, heavy := p.spreadable(x.body)
	if !anywhere {
		return nil
	}
	return &read{exchange: x, replicas: replicas, seen: p.horizon.seen.Load(), heavy: heavy}
}

// spread lets a replica answer a read when it is a replica's turn, and reports whether one did. If not, nothing was written
// and the leader must answer.
func (p *Proxy) spread(w http.ResponseWriter, r *http.Request, one *read) bool {
	if one == nil {
		return false
	}
	n := len(one.replicas)
	turn := int(p.turn.Add(1) % uint64(n+1))
	if one.heavy {
		turn %= n
	}
	if turn == n { // the leader has one turn in each round
		p.cfg.Recorder.Read(ByLeader)
		return false
	}
	one.replicas = append(slices.Clone(one.replicas[turn:]), one.replicas[:turn]...)
	if p.askReplicas(w, r, one) {
		return true
	}
	p.cfg.Recorder.Read(AskedOver)
	return false
}

// askReplicas asks a replica, and another one when the first does not answer. It asks none twice.
func (p *Proxy) askReplicas(w http.ResponseWriter, r *http.Request, one *read) bool {
	if one == nil {
		return false
	}
	tries := min(replicaTries, len(one.replicas))
	if one.older {
		tries = len(one.replicas)
	}
	for range tries {
		to := one.replicas[0]
		one.replicas = one.replicas[1:]
		switch p.askReplica(w, r, to, one) {
		case answered:
			p.cfg.Recorder.Read(ByReplica)
			return true
		case unusable:
			if !one.older {
				return false
			}
		}
	}
	return false
}

// askOlder asks all other replicas for what the leader does not keep.
func (p *Proxy) askOlder(w http.ResponseWriter, r *http.Request, one *read) bool {
	one.older = true
	return p.askReplicas(w, r, one)
}

// reply is the result of asking a replica.
type reply int

const (
	answered reply = iota
	unusable       // its answer does not count: only the leader may give it
	absent         // it did not answer
)

func (p *Proxy) askReplica(w http.ResponseWriter, r *http.Request, to *url.URL, one *read) reply {
	ctx, cancel := context.WithTimeout(r.Context(), p.cfg.Timeout/3) // a replica that hangs leaves time for the leader
	defer cancel()
	if one.joins != nil {
		switch written, err := one.joined(ctx, route{to, p.short.replicas}, one.usable); {
		case written:
			return answered
		case err == nil:
			return unusable
		case !errors.Is(err, errAlone):
			p.cfg.Log.DebugContext(ctx, "replica does not answer", "replica", to.Host, "error", err)
			return absent
		}
	}
	body := &payload{data: one.body}
	defer body.release()
	res, err := p.replicas.RoundTrip(requestTo(ctx, to, body))
	if err != nil {
		p.cfg.Log.DebugContext(ctx, "replica does not answer", "replica", to.Host, "error", err)
		return absent
	}
	defer res.Body.Close()
	if !one.current(res.Header) || res.StatusCode != http.StatusOK {
		return unusable
	}
	// An answer that is short enough to say nothing is checked before it is forwarded.
	start := new(bytes.Buffer)
	if _, err := io.CopyN(start, res.Body, shortAnswer); errors.Is(err, io.EOF) {
		if saysNothing(start.Bytes()) {
			return unusable
		}
	} else if err != nil {
		return absent
	}
	res.Body = &rest{Reader: io.MultiReader(start, res.Body), Closer: res.Body}
	p.answer(w, r, res)
	return answered
}

// current reports whether a replica had the newest block that was shown before it answered.
func (one *read) current(h http.Header) bool {
	before, _, ok := headOf(h)
	return ok && before >= one.seen
}

// usable reports whether a replica's answer may be forwarded.
func (one *read) usable(answer []byte, h http.Header) bool {
	return one.current(h) && (len(answer) >= shortAnswer || !saysNothing(answer))
}

// rest is a body whose start was already read.
type rest struct {
	io.Reader
	io.Closer
}

// saysNothing reports whether an answer contains an error or null: the leader may know better. A false positive costs a
// second request. A limit is the same at the leader, which is not asked for what a replica refused to do.
func saysNothing(answer []byte) bool {
	if bytes.Contains(answer, limitExceeded) {
		return false
	}
	return bytes.Contains(answer, []byte(`"error":`)) || bytes.Contains(answer, []byte(`"result":null`))
}

// saysNotKept reports whether an answer says that what was asked for is not kept.
func saysNotKept(answer []byte) bool {
	return len(answer) < shortAnswer && bytes.Contains(answer, notKeptCode)
}

// notKept is saysNotKept for an answer that was not read yet. Its body is there afterwards.
func notKept(res *http.Response) bool {
	start := new(bytes.Buffer)
	_, err := io.CopyN(start, res.Body, shortAnswer)
	res.Body = &rest{Reader: io.MultiReader(start, res.Body), Closer: res.Body}
	return errors.Is(err, io.EOF) && saysNotKept(start.Bytes())
}

var notKeptCode = fmt.Appendf(nil, `"error":{"code":%d,`, jsonrpc.NotKept)

var limitExceeded = fmt.Appendf(nil, `"error":{"code":%d,`, jsonrpc.LimitExceeded)
