package rpcproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Who answered a read that any replica may answer, the label of its counter.
const (
	ByLeader  = "leader"
	ByReplica = "replica"
	AskedOver = "asked_over" // a replica's answer did not count, so the leader was asked
)

const (
	// headHeader is on every answer of a producer: the number of its head before and after the request, "12-13".
	headHeader = "Blindseq-Head"
	// shortAnswer is the size up to which an answer may say nothing: null, or an error.
	shortAnswer = 4 << 10
	// replicaTries is how many replicas are asked, of which each may just have gone.
	replicaTries = 2
)

// horizon is the newest block that an answer of this gateway may have shown. A replica's answer counts only when the
// replica had that block before it answered: what a client reads through one gateway never goes back.
type horizon struct{ seen atomic.Uint64 }

// note takes in an answer that is passed on.
func (h *horizon) note(header http.Header) {
	_, after, ok := headOf(header)
	for seen := h.seen.Load(); ok && after > seen && !h.seen.CompareAndSwap(seen, after); seen = h.seen.Load() {
	}
}

// headOf reads the header.
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
	body     []byte
	replicas []*url.URL // still to be asked, best first
	seen     uint64
}

// asRead looks whether a request is one; nil when it is the leader's, or there is nobody else to ask.
func (p *Proxy) asRead(body []byte) *read {
	if p.cfg.Replicas == nil {
		return nil
	}
	replicas := p.cfg.Replicas()
	if len(replicas) == 0 || !p.spreadable(body) {
		return nil
	}
	return &read{body: body, replicas: replicas, seen: p.horizon.seen.Load()}
}

// spread has a replica answer a read when it is the turn of one, and says whether one did. If not, the leader is to be
// asked: nothing was written.
func (p *Proxy) spread(w http.ResponseWriter, r *http.Request, one *read) bool {
	if one == nil {
		return false
	}
	n := len(one.replicas)
	turn := int(p.turn.Add(1) % uint64(n+1))
	if turn == n { // one turn of each round is the leader's
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

// askReplicas asks one, and another when that has gone. Those asked are not asked again.
func (p *Proxy) askReplicas(w http.ResponseWriter, r *http.Request, one *read) bool {
	if one == nil {
		return false
	}
	for range min(replicaTries, len(one.replicas)) {
		to := one.replicas[0]
		one.replicas = one.replicas[1:]
		switch p.askReplica(w, r, to, one.body, one.seen) {
		case answered:
			p.cfg.Recorder.Read(ByReplica)
			return true
		case worthless:
			return false
		}
	}
	return false
}

// What became of asking a replica.
type reply int

const (
	answered  reply = iota
	worthless       // it answered something that only the leader may say
	absent          // it did not answer
)

func (p *Proxy) askReplica(w http.ResponseWriter, r *http.Request, to *url.URL, data []byte, seen uint64) reply {
	ctx, cancel := context.WithTimeout(r.Context(), p.cfg.Timeout/3) // one that hangs leaves time for the leader
	defer cancel()
	body := &payload{data: data}
	defer body.release()
	res, err := p.transport.RoundTrip(requestTo(ctx, to, body))
	if err != nil {
		p.cfg.Log.DebugContext(ctx, "replica does not answer", "replica", to.Host, "error", err)
		return absent
	}
	defer res.Body.Close()
	if before, _, ok := headOf(res.Header); !ok || before < seen || res.StatusCode != http.StatusOK {
		return worthless
	}
	// An answer is looked at before it is passed on when it is so short that it may say nothing.
	start := new(bytes.Buffer)
	if _, err := io.CopyN(start, res.Body, shortAnswer); errors.Is(err, io.EOF) {
		if saysNothing(start.Bytes()) {
			return worthless
		}
	} else if err != nil {
		return absent
	}
	res.Body = &rest{Reader: io.MultiReader(start, res.Body), Closer: res.Body}
	p.answer(w, r, res)
	return answered
}

// rest is a body of which the start was read.
type rest struct {
	io.Reader
	io.Closer
}

// saysNothing is true for an answer with an error or null in it: the leader may know better. It may be true for another
// one too, which costs a second question.
func saysNothing(answer []byte) bool {
	return bytes.Contains(answer, []byte(`"error":`)) || bytes.Contains(answer, []byte(`"result":null`))
}
