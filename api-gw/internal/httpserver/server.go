// Package httpserver serves a handler with what every public listener needs: limits on headers, connections and idle time,
// a bounded stop that lets running requests finish, and metrics and a log line for each request.
//
// It asks of a handler that it reads the body of its request with Body, which has a deadline; writes have one here. An
// endless handler (a stream, a WebSocket) takes its context from UntilStop.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"blindseq/kit/budget"
)

const (
	// drainTime is how long running requests may continue when the server stops; then their contexts are cancelled. abortTime
	// is how long they may then take to answer. Together they fit into the process's own timeout.
	drainTime = 4 * time.Second
	abortTime = time.Second

	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// ErrStopping is the cause of a context that ended because the server stops.
var ErrStopping = errors.New("the gateway is stopping")

// Recorder takes the figures of requests.
type Recorder interface {
	Begin(listener string)
	End(listener, route string, status int, took time.Duration)
}

// Config is the configuration of a server. Every field is required.
type Config struct {
	Name           string // of the listener, in logs and metrics
	Listener       net.Listener
	Handler        http.Handler
	MaxConnections int // for further ones, idle ones are closed
	Budget         *budget.Budget
	Refuse         func(w http.ResponseWriter, err error) // answers 429 in the listener's own form
	Recorder       Recorder
	Log            *slog.Logger
}

// Server serves one listener.
type Server struct {
	cfg      Config
	http     *http.Server
	handlers sync.WaitGroup // those of WebSockets too, which http.Server does not wait for

	draining context.Context // ends when the stop begins
	drain    context.CancelCauseFunc
	requests context.Context // ends when requests must give up
	abort    context.CancelCauseFunc
}

// New prepares a server. The context given to Run later ends it, not this one: values of it reach every request.
func New(ctx context.Context, cfg Config) *Server {
	s := &Server{cfg: cfg}
	ctx = context.WithoutCancel(ctx)
	s.draining, s.drain = context.WithCancelCause(ctx)
	s.requests, s.abort = context.WithCancelCause(context.WithValue(ctx, drainingKey{}, s.draining))
	s.http = &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return s.requests },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(cfg.Log.With("listener", cfg.Name).Handler(), slog.LevelDebug),
	}
	return s
}

// Run serves until ctx ends. Then streams end and running requests finish. Requests that take too long are cancelled, and
// their connections are closed in the end.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	door := s.cfg.Budget.Door(s.cfg.Listener, s.cfg.MaxConnections)
	s.http.ConnState = door.State
	go func() { served <- s.http.Serve(door) }()
	defer s.abort(ErrStopping)
	defer s.drain(ErrStopping)
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.cfg.Name, err)
	case <-ctx.Done():
	}
	s.drain(ErrStopping)
	ctx = context.WithoutCancel(ctx)
	if s.shutdown(ctx, drainTime) != nil {
		s.cfg.Log.WarnContext(ctx, "cancel requests that did not end in time", "listener", s.cfg.Name)
		s.abort(ErrStopping)
		if s.shutdown(ctx, abortTime) != nil {
			s.http.Close()
		}
	}
	<-served
	return nil
}

func (s *Server) shutdown(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { s.handlers.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type drainingKey struct{}

// UntilStop returns a context that also ends, with the cause ErrStopping, when the server of this request begins to
// stop.
func UntilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(ctx)
	draining, ok := ctx.Value(drainingKey{}).(context.Context)
	if !ok {
		return out, func() { cancel(nil) }
	}
	stop := context.AfterFunc(draining, func() { cancel(context.Cause(draining)) })
	return out, func() { stop(); cancel(nil) }
}
