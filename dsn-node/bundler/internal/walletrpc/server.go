package walletrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/rs/cors"
	"golang.org/x/net/netutil"
)

// stopTimeout is how long requests that run may take to end when the server stops.
const stopTimeout = 3 * time.Second

// Server serves a Handler over HTTP.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// ServerOptions of a Server; all are needed.
type ServerOptions struct {
	Address     string
	Handler     *Handler
	Connections int
	Origins     []string // web origins whose pages may call; * is any
	Log         *slog.Logger
}

// NewServer listens; nothing is answered before Run.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("serve JSON-RPC: %w", err)
	}
	crossing := cors.New(cors.Options{
		AllowedOrigins: o.Origins, AllowedMethods: []string{http.MethodPost}, AllowedHeaders: []string{"Content-Type"}, MaxAge: 600,
	})
	return &Server{listener: netutil.LimitListener(l, o.Connections), http: &http.Server{
		Handler:           crossing.Handler(o.Handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close frees the address of a server that never ran. After Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Run serves until ctx ends. Requests that run get a bounded time then, and are cut off after it.
func (s *Server) Run(ctx context.Context) error {
	running, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.http.BaseContext = func(net.Listener) context.Context { return running }
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bounded, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer done()
		if s.http.Shutdown(bounded) == nil {
			return
		}
		cut()
		bounded, done = context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if s.http.Shutdown(bounded) != nil {
			_ = s.http.Close() // the listener is closed already
		}
	})
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		cancel()
		return fmt.Errorf("serve JSON-RPC: %w", err)
	}
	<-stopped
	return nil
}
