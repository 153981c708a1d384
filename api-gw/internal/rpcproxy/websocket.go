package rpcproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/httpserver"
	"blindseq/api-gw/internal/tracker"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"

	"github.com/coder/websocket"
)

const (
	wsDialTimeout = 3 * time.Second
	wsPing        = 20 * time.Second // a dead side is detected within this plus wsPingTimeout
	wsPingTimeout = 10 * time.Second
	wsCloseTime   = time.Second // how long a side may take to answer the close
)

// Why a WebSocket ended, other than by one of its sides.
var (
	errLeaderChanged = errors.New("another producer leads now; connect again")
	errSilent        = errors.New("no answer to a ping")
)

func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveWebSocket connects a client to the leading producer until either side closes, another producer leads, or the gateway
// stops. The client always gets a close frame, so that it reconnects and reaches the new leader: its subscriptions live at
// the producer, and a silent switch would lose them.
func (p *Proxy) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if !p.cors.OriginAllowed(r) && r.Header.Get("Origin") != "" {
		refuse(w, nil, http.StatusForbidden, jsonrpc.InvalidRequest, "this web origin may not call")
		return
	}
	if !p.webSockets.TryAcquire(1) {
		w.Header().Set("Retry-After", "5")
		refuse(w, nil, http.StatusServiceUnavailable, jsonrpc.LimitExceeded, "too many WebSockets are open")
		return
	}
	defer p.webSockets.Release(1)
	ctx, cancel := httpserver.UntilStop(r.Context())
	defer cancel()
	var leader *tracker.Leader
	var up *websocket.Conn
	err := p.cfg.Hold.Do(ctx, func(ctx context.Context) (err error) {
		if leader = p.cfg.Leader(); leader == nil {
			return hold.Again(hold.NoLeader, errNoLeader)
		}
		if up, err = p.dial(ctx, leader); err != nil {
			p.cfg.Unreachable()
			return hold.Again(hold.Unavailable, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoLeader):
		p.unavailable(w, nil, NoLeader, http.StatusServiceUnavailable, err.Error())
		return
	case err != nil:
		p.cfg.Log.DebugContext(ctx, "dial the leader's WebSocket", "error", err)
		p.unavailable(w, nil, Unreachable, http.StatusServiceUnavailable, "the leading producer does not answer; try again")
		return
	}
	defer up.CloseNow()
	down, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin was checked above
	if err != nil {
		p.cfg.Log.DebugContext(ctx, "upgrade refused", "error", err) // Accept has answered
		return
	}
	defer down.CloseNow()
	down.SetReadLimit(p.cfg.BodyLimit)
	up.SetReadLimit(-1) // an answer is forwarded in pieces and never buffered whole
	p.cfg.Recorder.WebSockets(1)
	defer p.cfg.Recorder.WebSockets(-1)
	p.join(ctx, leader, down, up)
}

func (p *Proxy) dial(ctx context.Context, leader *tracker.Leader) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, wsDialTimeout)
	defer cancel()
	to := *leader.HTTP
	to.Scheme = strings.Replace(to.Scheme, "http", "ws", 1)
	conn, res, err := websocket.Dial(ctx, to.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: p.transport}, HTTPHeader: http.Header{"User-Agent": {onBehalf(ctx)}},
	})
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w (HTTP %d)", err, res.StatusCode)
		}
		return nil, err
	}
	return conn, nil
}

// ending says why a pair of WebSockets ends: which side's connection ended, or neither's.
type ending struct {
	client, producer bool
	err              error
}

// join relays both ways until something ends it, closes both sides, and returns when all its goroutines have ended.
func (p *Proxy) join(ctx context.Context, leader *tracker.Leader, down, up *websocket.Conn) {
	relaying, cancel := context.WithCancel(context.WithoutCancel(ctx)) // with the client's budget
	ends := make(chan ending, 4)
	var wg sync.WaitGroup
	wg.Go(func() {
		read, err := p.relayCalls(relaying, up, down)
		ends <- ending{client: read, producer: !read, err: err}
	})
	wg.Go(func() {
		read, err := relay(relaying, down, up)
		ends <- ending{client: !read, producer: read, err: err}
	})
	wg.Go(func() { ends <- ending{err: pings(relaying, down)} })
	wg.Go(func() { ends <- ending{err: pings(relaying, up)} })

	var end ending
	select {
	case end = <-ends:
	case <-leader.Changed:
		end = ending{err: errLeaderChanged}
	case <-ctx.Done():
		end = ending{err: context.Cause(ctx)}
	}
	p.end(ctx, end, down, up)
	cancel()
	wg.Wait()
}

// end closes both sides with the reason, each within wsCloseTime.
func (p *Proxy) end(ctx context.Context, e ending, down, up *websocket.Conn) {
	status, reason := closing(e)
	if e.producer && websocket.CloseStatus(e.err) == -1 {
		p.cfg.Recorder.ForwardError(Broken)
	}
	p.cfg.Log.DebugContext(ctx, "websocket ends", "status", int(status), "error", e.err)
	var wg sync.WaitGroup
	wg.Go(func() { closeBounded(down, status, reason) })
	wg.Go(func() { closeBounded(up, websocket.StatusNormalClosure, "") })
	wg.Wait()
}

// closing is the close frame for the client.
func closing(e ending) (websocket.StatusCode, string) {
	switch {
	case errors.Is(e.err, budget.ErrExceeded):
		return websocket.StatusTryAgainLater, "too many bytes of requests are in memory; connect again"
	case e.client:
		return websocket.StatusNormalClosure, "" // it left, or the library has closed it (1009)
	case errors.Is(e.err, errLeaderChanged):
		return websocket.StatusServiceRestart, errLeaderChanged.Error()
	case errors.Is(e.err, httpserver.ErrStopping):
		return websocket.StatusGoingAway, "the gateway is stopping; connect again"
	}
	var said websocket.CloseError
	if e.producer && errors.As(e.err, &said) && sendable(said.Code) {
		return said.Code, said.Reason
	}
	return websocket.StatusBadGateway, "the leading producer is gone; connect again"
}

// sendable reports whether a received close code may be forwarded: some codes must never be sent.
func sendable(c websocket.StatusCode) bool {
	switch c {
	case websocket.StatusNoStatusRcvd, websocket.StatusAbnormalClosure, websocket.StatusTLSHandshake:
		return false
	}
	return c >= 1000 && c < 5000
}

func closeBounded(c *websocket.Conn, status websocket.StatusCode, reason string) {
	timer := time.AfterFunc(wsCloseTime, func() { _ = c.CloseNow() })
	defer timer.Stop()
	_ = c.Close(status, reason) // the other side may have closed already
	_ = c.CloseNow()
}

// relay copies messages until reading from src fails (read is true) or writing to dst does, in pieces: it
// buffers no message whole.
func relay(ctx context.Context, dst, src *websocket.Conn) (read bool, err error) {
	buf := make([]byte, 4<<10)
	for {
		kind, in, err := src.Reader(ctx)
		if err != nil {
			return true, err
		}
		out, err := dst.Writer(ctx, kind)
		if err != nil {
			return false, fmt.Errorf("relay message: %w", err)
		}
		from := &noting{from: in}
		if _, err := io.CopyBuffer(onlyWriter{out}, from, buf); err != nil {
			return from.failed, fmt.Errorf("relay message: %w", err)
		}
		if err := out.Close(); err != nil {
			return false, fmt.Errorf("relay message: %w", err)
		}
	}
}

// noting remembers whether a read failed.
type noting struct {
	from   io.Reader
	failed bool
}

func (n *noting) Read(b []byte) (int, error) {
	c, err := n.from.Read(b)
	n.failed = err != nil && !errors.Is(err, io.EOF)
	return c, err
}

// pings returns when a ping stays unanswered, or nil when ctx ends.
func pings(ctx context.Context, c *websocket.Conn) error {
	ticker := time.NewTicker(wsPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, wsPingTimeout)
		err := c.Ping(bounded)
		cancel()
		if err != nil {
			return fmt.Errorf("%w: %w", errSilent, err)
		}
	}
}

// relayCalls is relay for what a client sends. Of a client with a budget it reads each message, so as to charge its calls, and
// answers itself what the budget refuses. A message that is too much to read ends the socket.
func (p *Proxy) relayCalls(ctx context.Context, up, down *websocket.Conn) (read bool, err error) {
	if budget.Of(ctx) == nil {
		return relay(ctx, up, down)
	}
	for {
		read, err := p.relayCall(ctx, up, down)
		if err != nil {
			return read, err
		}
	}
}

func (p *Proxy) relayCall(ctx context.Context, up, down *websocket.Conn) (read bool, err error) {
	bytes := budget.Message(ctx)
	defer bytes.Release()
	kind, message, err := readMessage(ctx, down, bytes)
	if err != nil {
		return true, err
	}
	if jsonrpc.TooMany(message, jsonrpc.MaxBatch) {
		return true, down.Write(ctx, websocket.MessageText, jsonrpc.Long(message, jsonrpc.MaxBatch))
	}
	if err := budget.Charge(ctx, message); err != nil {
		answer := jsonrpc.Reply(message, jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()})
		return true, down.Write(ctx, websocket.MessageText, answer)
	}
	if err := up.Write(ctx, kind, message); err != nil {
		return false, fmt.Errorf("relay message: %w", err)
	}
	return false, nil
}

// readMessage waits for a message, which then has as long to arrive as a request's body.
func readMessage(ctx context.Context, from *websocket.Conn, bytes *budget.Bytes) (websocket.MessageType, []byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kind, in, err := from.Reader(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer time.AfterFunc(httpserver.BodyTimeout, cancel).Stop()
	message, err := io.ReadAll(bytes.Reader(in))
	return kind, message, err
}
