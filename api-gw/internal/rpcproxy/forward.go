package rpcproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/httpserver"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/telemetry"
)

const (
	copyBuffer    = 32 << 10
	maxPooledBody = 1 << 20
)

// forward forwards one request, or batch, and its answer.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	buf := p.takeBody()
	defer p.giveBody(buf)
	if !p.readBody(w, r, buf) {
		return
	}
	if err := budget.Charge(r.Context(), buf.Bytes()); err != nil {
		exceeded(w, buf.Bytes(), err)
		return
	}
	x := &exchange{p: p, w: w, r: r, body: buf.Bytes(), joins: p.joinable(buf.Bytes())}
	if x.joins == nil {
		x.sends = sendsOf(x.body)
	}
	if err := p.cfg.Hold.Do(r.Context(), x.attempt); err != nil {
		p.forwardFailed(w, r, buf.Bytes(), err)
	}
}

// readBody reads the request into buf, or refuses it.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) bool {
	switch err := httpserver.Body(w, r, p.cfg.BodyLimit, buf); {
	case errors.Is(err, budget.ErrExceeded):
		exceeded(w, nil, err)
		return false
	case err != nil:
		refuse(w, nil, httpserver.BodyStatus(err), jsonrpc.InvalidRequest, err.Error())
		return false
	case len(bytes.TrimSpace(buf.Bytes())) == 0: // geth says nothing to it
		jsonrpc.Write(w, http.StatusOK, jsonrpc.Failure(nil, jsonrpc.ErrParse))
		return false
	case jsonrpc.TooMany(buf.Bytes(), jsonrpc.MaxBatch):
		jsonrpc.Write(w, http.StatusOK, jsonrpc.Long(buf.Bytes(), jsonrpc.MaxBatch))
		return false
	}
	return true
}

// exceeded answers a request that a budget refuses.
func exceeded(w http.ResponseWriter, request []byte, err error) {
	httpserver.RetryAfter(w, err)
	jsonrpc.Write(w, http.StatusTooManyRequests, jsonrpc.Refuse(request, jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()}))
}

// onBehalf is the User-Agent of a request to a producer, which counts for each client what it keeps for it: its name and how many
// times the usual bounds it has. It is empty for a client without a budget.
func onBehalf(ctx context.Context) string {
	c := budget.Of(ctx)
	if c == nil {
		return ""
	}
	return jsonrpc.Behalf(c.Name(), c.Factor())
}

func requestTo(ctx context.Context, to *url.URL, body *payload) *http.Request {
	return requestFor(ctx, to, body, onBehalf(ctx))
}

// requestFor is a request for a client, as onBehalf names it.
func requestFor(ctx context.Context, to *url.URL, body *payload, client string) *http.Request {
	req := &http.Request{
		Method: http.MethodPost, URL: to, Host: to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {client}},
		ContentLength: int64(len(body.data)),
		Body:          body.reader(),
		GetBody:       func() (io.ReadCloser, error) { return body.reader(), nil },
	}
	telemetry.Pass(ctx, req.Header)
	return req.WithContext(ctx)
}

// answer forwards the producer's answer.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, res *http.Response) {
	p.horizon.note(res.Header)
	h := w.Header()
	for _, name := range [...]string{"Content-Type", "Content-Length", "Content-Encoding"} {
		if v := res.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	w.WriteHeader(res.StatusCode)
	buf, _ := p.copies.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, copyBuffer)
		buf = &b
	}
	defer p.copies.Put(buf)
	if _, err := io.CopyBuffer(onlyWriter{w}, res.Body, *buf); err != nil {
		if r.Context().Err() == nil {
			p.cfg.Recorder.ForwardError(Broken)
			p.cfg.Log.WarnContext(r.Context(), "answer of the leader broke off", "error", err)
		}
		panic(http.ErrAbortHandler) // the client must not mistake a part for the whole answer
	}
}

// joined asks a producer for a read together with others. The answer is written when usable says so.
func (x *exchange) joined(ctx context.Context, to route, usable func(answer []byte, h http.Header) bool) (bool, error) {
	answer, header, err := x.p.joiner.ask(ctx, to, x.joins)
	if err != nil || !usable(answer, header) {
		return false, err
	}
	x.p.horizon.note(header)
	jsonrpc.Write(x.w, http.StatusOK, answer)
	return true, nil
}

// forwardFailed answers the client when no producer did.
func (p *Proxy) forwardFailed(w http.ResponseWriter, r *http.Request, request []byte, err error) {
	note, gaveUp := "", new(hold.GaveUp)
	if errors.As(err, &gaveUp) {
		note = gaveUp.Note()
	}
	switch {
	case r.Context().Err() != nil && !errors.Is(context.Cause(r.Context()), httpserver.ErrStopping):
		panic(http.ErrAbortHandler) // the client left
	case errors.Is(err, errNoLeader):
		p.unavailable(w, request, NoLeader, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, errNotTaken):
		p.unavailable(w, request, NotTaken, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, errTimedOut):
		p.unavailable(w, request, TimedOut, http.StatusGatewayTimeout,
			"the leading producer did not answer within "+p.cfg.Timeout.String()+"; a transaction sent may have been taken")
	case errors.Is(err, errOnce):
		p.unavailable(w, request, Unreachable, http.StatusServiceUnavailable, errOnce.Error())
	default:
		p.cfg.Log.Log(r.Context(), slog.LevelDebug, "leading producer does not answer", "error", err)
		p.unavailable(w, request, Unreachable, http.StatusServiceUnavailable,
			"the leading producer does not answer; try again. A transaction sent may have been taken"+note)
	}
}

func (p *Proxy) takeBody() *bytes.Buffer {
	if buf, ok := p.bodies.Get().(*bytes.Buffer); ok {
		return buf
	}
	return new(bytes.Buffer)
}

func (p *Proxy) giveBody(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBody {
		buf.Reset()
		p.bodies.Put(buf)
	}
}

// payload is a body whose memory is used again after release. The transport may read a body even after it has
// returned, so every read and the release exclude each other.
type payload struct {
	mu   sync.Mutex
	data []byte
}

func (p *payload) reader() io.ReadCloser { return &payloadReader{from: p} }

func (p *payload) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data = nil
}

type payloadReader struct {
	from *payload
	next int
}

func (r *payloadReader) Read(b []byte) (int, error) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	if r.next >= len(r.from.data) {
		return 0, io.EOF
	}
	n := copy(b, r.from.data[r.next:])
	r.next += n
	return n, nil
}

func (r *payloadReader) Close() error { return nil }

// onlyWriter hides ReadFrom, with which io.CopyBuffer would take another buffer than the pooled one.
type onlyWriter struct{ io.Writer }
