package walletrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"

	"github.com/coder/websocket"
	"golang.org/x/sync/semaphore"
)

const (
	socketCalls   = 32               // messages of one socket that are answered at the same time
	socketBody    = 30 * time.Second // for a message to arrive
	socketWrite   = 10 * time.Second // for a client to take one
	socketPing    = 20 * time.Second // a dead client is detected within this plus socketWrite
	socketClosing = time.Second      // for a client to answer the close
)

// Why a socket ended, other than by its client.
var (
	errStopping     = errors.New("the bundler is stopping; connect again")
	errObserverGone = errors.New("the observer is gone, and the subscriptions with it; connect again")
)

// Subscriber opens WebSockets to a node that keeps subscriptions.
type Subscriber interface {
	Subscribe(ctx context.Context) (*websocket.Conn, error)
}

// sockets serve JSON-RPC over WebSocket as a Handler does over HTTP. Subscriptions live at the observer: a socket that has some gets
// a connection of its own to it.
type sockets struct {
	h        *Handler
	stopping context.Context
	stop     context.CancelFunc // ends stopping
	running  sync.WaitGroup
}

func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serve speaks with a client until either side, or the server, ends it. The client gets a close frame with the reason.
func (s *sockets) serve(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin was checked
	if err != nil {
		s.h.log.DebugContext(r.Context(), "upgrade refused", "error", err) // Accept has answered
		return
	}
	defer conn.CloseNow() // it is closed already, mostly
	conn.SetReadLimit(s.h.limits.Body)
	c := &socket{h: s.h, conn: conn, calls: semaphore.NewWeighted(socketCalls), ends: make(chan error, 4)}
	c.run(context.WithoutCancel(r.Context()), s.stopping) // its end would cut the client off without a close frame
}

// socket is one client's.
type socket struct {
	h        *Handler
	conn     *websocket.Conn
	observer *websocket.Conn // nil before the first subscription; the reader's
	follows  *follows        // nil before the first transaction that is followed; the reader's
	calls    *semaphore.Weighted
	ends     chan error
	all      sync.WaitGroup
}

func (s *socket) run(ctx, stopping context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.all.Go(func() { s.ends <- s.read(ctx) })
	s.all.Go(func() { s.ends <- s.pings(ctx) })
	var why error
	select {
	case why = <-s.ends:
	case <-stopping.Done():
		why = errStopping
	}
	s.h.log.DebugContext(ctx, "websocket ends", "error", why)
	closeSocket(s.conn, why)
	cancel()
	s.all.Wait()
}

// closeSocket tells the client why, within a bound.
func closeSocket(conn *websocket.Conn, why error) {
	status, reason := websocket.StatusNormalClosure, ""
	switch {
	case errors.Is(why, errStopping):
		status, reason = websocket.StatusGoingAway, why.Error()
	case errors.Is(why, errObserverGone):
		status, reason = websocket.StatusServiceRestart, errObserverGone.Error()
	case errors.Is(why, budget.ErrExceeded):
		status, reason = websocket.StatusTryAgainLater, "too many bytes of requests are in memory; connect again"
	}
	timer := time.AfterFunc(socketClosing, func() { _ = conn.CloseNow() })
	defer timer.Stop()
	_ = conn.Close(status, reason) // the client may have closed already
}

// read takes the client's messages until one cannot be read. Each is answered by itself, as nodes do; what is about subscriptions
// keeps its order.
func (s *socket) read(ctx context.Context) error {
	defer func() {
		if s.observer != nil {
			_ = s.observer.CloseNow() // its reader ends
		}
		if s.follows != nil {
			s.follows.close()
		}
	}()
	for {
		if err := s.calls.Acquire(ctx, 1); err != nil {
			return err
		}
		if err := s.readOne(ctx); err != nil {
			return err
		}
	}
}

func (s *socket) readOne(ctx context.Context) error {
	bytes := budget.Message(ctx)
	done := func() { bytes.Release(); s.calls.Release(1) }
	message, err := s.message(ctx, bytes)
	if err != nil {
		done()
		return err
	}
	if c, ok := parse(message); ok && c.subscribes() {
		defer done()
		return s.subscribe(ctx, c, message)
	}
	s.all.Go(func() {
		defer done()
		if err := s.answer(ctx, message); err != nil {
			s.end(err)
		}
	})
	return nil
}

func (s *socket) answer(ctx context.Context, message []byte) error {
	answer, err := s.h.answer(ctx, message)
	if err != nil {
		answer = jsonrpc.Reply(message, jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()})
	}
	if len(answer) == 0 { // to notifications
		return nil
	}
	return s.write(ctx, answer)
}

// message waits for one, which then has a bounded time to arrive.
func (s *socket) message(ctx context.Context, bytes *budget.Bytes) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, in, err := s.conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer time.AfterFunc(socketBody, cancel).Stop()
	return io.ReadAll(bytes.Reader(in))
}

func (s *socket) write(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, socketWrite)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, message)
}

func (s *socket) end(why error) {
	select {
	case s.ends <- why:
	default: // it ends already
	}
}

// subscribe hands a call about subscriptions to the observer. The answer, and what is subscribed to, comes back through deliver.
func (s *socket) subscribe(ctx context.Context, c *call, message []byte) error {
	if err := budget.Charge(ctx, message); err != nil {
		return s.write(ctx, failure(c, jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()}))
	}
	if s.h.to.Subscriber == nil {
		s.h.count("read", "refused")
		return s.write(ctx, failure(c, jsonrpc.Error{Code: jsonrpc.Refused, Message: "the method " + c.Method + " is not served here: " + rollup.ErrNoObserver.Error()}))
	}
	if hash, is := c.follows(); is {
		return s.follow(ctx, c, hash)
	}
	if s.follows != nil && s.follows.ends(c) {
		return s.write(ctx, result(c, true))
	}
	if s.observer == nil {
		observer, err := s.subscriber(ctx)
		if err != nil {
			return s.write(ctx, failure(c, away()))
		}
		s.observer = observer
		s.all.Go(func() { s.end(s.deliver(ctx, observer)) })
	}
	s.h.count("forward", "answered")
	if err := s.observer.Write(ctx, websocket.MessageText, c.raw); err != nil {
		return fmt.Errorf("%w: %w", errObserverGone, err)
	}
	return nil
}

// subscriber opens a WebSocket to the observer.
func (s *socket) subscriber(ctx context.Context) (*websocket.Conn, error) {
	observer, err := s.h.to.Subscriber.Subscribe(ctx)
	if err != nil {
		s.h.count("forward", "failed")
		s.h.log.DebugContext(ctx, "request not forwarded", "error", err)
		return nil, err
	}
	observer.SetReadLimit(maxAnswer)
	return observer, nil
}

// deliver hands to the client what comes from the observer.
func (s *socket) deliver(ctx context.Context, observer *websocket.Conn) error {
	for {
		_, message, err := observer.Read(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errObserverGone, err)
		}
		if err := s.write(ctx, message); err != nil {
			return err
		}
	}
}

// pings returns when a ping stays unanswered, or when ctx ends.
func (s *socket) pings(ctx context.Context) error {
	ticker := time.NewTicker(socketPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if !s.reading() {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, socketWrite)
		err := s.conn.Ping(bounded)
		cancel()
		if err != nil && s.reading() {
			return fmt.Errorf("ping: %w", err)
		}
	}
}

// reading says whether answers to pings are read: not while as many messages are being answered as may be.
func (s *socket) reading() bool {
	if !s.calls.TryAcquire(1) {
		return false
	}
	s.calls.Release(1)
	return true
}

// subscribes says whether a call is about subscriptions, which live as long as a socket.
func (c *call) subscribes() bool {
	return strings.HasSuffix(c.Method, "_subscribe") || strings.HasSuffix(c.Method, "_unsubscribe")
}
