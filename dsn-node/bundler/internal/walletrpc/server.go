package walletrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blindseq/kit/budget"
	"blindseq/kit/httpkit"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/rpchttp"
	"blindseq/kit/telemetry"

	"github.com/rs/cors"
)

// stopTimeout is how long requests that run may take to end when the server stops.
const stopTimeout = 3 * time.Second

// restTimeout is how long a client that was refused may take to send the rest of its body. Its connection is closed then.
const restTimeout = time.Second

// Server serves a Handler over HTTP and WebSocket.
type Server struct {
	listener net.Listener
	http     *http.Server
	sockets  *sockets
}

// ServerOptions of a Server; all are needed.
type ServerOptions struct {
	Address     string
	Handler     *Handler
	Connections int
	Origins     []string // web origins whose pages may call; * is any
	Budget      *budget.Budget
	Log         *slog.Logger
}

// NewServer listens; nothing is answered before Run.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("serve JSON-RPC: %w", err)
	}
	crossing := rpchttp.Pages(o.Origins)
	door := o.Budget.Door(l, o.Connections)
	stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &sockets{h: o.Handler, stopping: stopping, stop: stop}
	server := &http.Server{
		ConnState:         door.State,
		Handler:           crossing.Handler(budgeted(o.Budget, s.beside(posts(o.Handler), crossing))),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(stop)
	return &Server{listener: door, http: server, sockets: s}, nil
}

// posts serves what may hold JSON-RPC, and refuses the rest.
func posts(h http.Handler) http.Handler {
	compressed := rpchttp.Compressed(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/":
			rpchttp.Elsewhere(w, r)
		case rpchttp.Check(w, r):
			compressed.ServeHTTP(w, r)
		}
	})
}

// beside serves what asks for a WebSocket, at / and at /ws as gateways do, and leaves the rest to next.
func (s *sockets) beside(next http.Handler, crossing *cors.Cors) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isUpgrade(r) || r.URL.Path != "/" && r.URL.Path != "/ws":
			next.ServeHTTP(w, r)
		case r.Header.Get("Origin") != "" && !crossing.OriginAllowed(r): // a browser sends it, and shows the answer to any page
			refuse(w, http.StatusForbidden, jsonrpc.InvalidRequest, "this web origin may not call")
		default:
			s.serve(w, r)
		}
	})
}

// budgeted lets through what the client's budget allows.
func budgeted(b *budget.Budget, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, leave, err := b.Enter(r, isUpgrade(r))
		if err != nil {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) // the server reads the body before it answers
			if budget.Unread(r) {
				w.Header().Set("Connection", "close")
			}
			exceeded(w, nil, err)
			return
		}
		defer leave()
		r, end := telemetry.Join(r.WithContext(ctx), "json-rpc")
		defer end()
		next.ServeHTTP(w, r)
	})
}

// exceeded answers a request that a budget refuses.
func exceeded(w http.ResponseWriter, request []byte, err error) {
	if refusal := (*budget.Refusal)(nil); errors.As(err, &refusal) {
		w.Header().Set("Retry-After", refusal.RetryAfter())
	}
	jsonrpc.Write(w, http.StatusTooManyRequests, jsonrpc.Refuse(request, jsonrpc.Error{Code: jsonrpc.LimitExceeded, Message: err.Error()}))
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close frees the address of a server that never ran. After Run it does nothing.
func (s *Server) Close() error { return httpkit.Close(s.listener) }

// Run serves until ctx ends. Requests that run get a bounded time then, and are cut off after it. WebSockets are closed.
func (s *Server) Run(ctx context.Context) error {
	err := httpkit.Serve(ctx, "JSON-RPC", s.http, s.listener, httpkit.Grace{Drain: stopTimeout, Abort: time.Second})
	s.sockets.stop() // also when it could not serve
	s.sockets.running.Wait()
	return err
}
