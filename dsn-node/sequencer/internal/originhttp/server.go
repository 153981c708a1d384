package originhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blindseq/kit/auth"
	"blindseq/kit/httpkit"
)

// stopTimeout is how long requests that run may take to end when the server stops.
const stopTimeout = 2 * time.Second

// Options of a Server. All are needed but TLS, Guard, and the TokenFile, which an address needs that other machines reach; of
// Listener and Address, one.
type Options struct {
	Address         string
	Listener        net.Listener // used instead of Address when set
	TLS             *tls.Config  // nil serves plain text
	Guard           func(http.Handler) http.Handler
	TokenFile       string
	Refused         func() // called for each request that may not be made
	Core            Core
	MaxContentBytes int
	Log             *slog.Logger
}

// Server serves the protocol over HTTP/1.1.
type Server struct {
	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc // ends the streams
}

// NewServer listens; nothing is answered before Run.
func NewServer(ctx context.Context, o Options) (*Server, error) {
	l := o.Listener
	if l == nil {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address); err != nil {
			return nil, fmt.Errorf("serve the origin's protocol: %w", err)
		}
	}
	policy, err := policyOf(o.TokenFile, l.Addr(), o.Log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve the origin's protocol: %w", err), l.Close())
	}
	stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &handler{
		core: o.Core, policy: policy, refused: o.Refused, maxBody: bodyLimit(o.MaxContentBytes), log: o.Log, stopping: stopping,
	}
	return &Server{listener: l, stop: stop, http: &http.Server{
		Handler:           guarded(o.Guard, h),
		TLSConfig:         o.TLS,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}}, nil
}

func guarded(guard func(http.Handler) http.Handler, h http.Handler) http.Handler {
	if guard == nil {
		return h
	}
	return guard(h)
}

// policyOf is who may call: a proposal fixes the content of the next number for ever, so a web page must not make one, and nobody on
// other machines without the token.
func policyOf(tokenFile string, address net.Addr, log *slog.Logger) (auth.Policy, error) {
	var tokens *auth.Tokens
	if tokenFile != "" {
		var err error
		if tokens, err = auth.OpenTokens(tokenFile, log); err != nil {
			return auth.Policy{}, fmt.Errorf("--origin-token-file: %w", err)
		}
	}
	return auth.NewPolicy(tokens, address, true)
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close frees the address of a server that never ran. After Run it does nothing.
func (s *Server) Close() error {
	s.stop()
	return httpkit.Close(s.listener)
}

// Run serves until ctx ends. Streams then end cleanly at once, and requests that run get a bounded time.
func (s *Server) Run(ctx context.Context) error {
	defer s.stop()
	s.http.RegisterOnShutdown(s.stop)
	return httpkit.Serve(ctx, "the origin's protocol", s.http, s.listener, httpkit.Grace{Drain: stopTimeout})
}
