// Package grpckit gives every gRPC server and client of the system the same defaults: keepalive that finds a
// half-open connection within 15 seconds, message limits, traces, metrics, health, one mapping of domain errors to
// status codes, and mutual TLS when it is configured. With TLS, a server lets nobody call what the table of roles (package
// roles) does not allow to the name in the caller's certificate.
package grpckit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/ops"
	"blindseq/kit/telemetry"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

const (
	// MaxMessageBytes bounds a message in both directions: far above a full blueprint with its chunks.
	MaxMessageBytes = 16 << 20
	// gracefulStop is how long calls that run may take to end when the server stops.
	gracefulStop = 4 * time.Second

	// handshakeTimeout is how long a caller may take to say who it is. Until then nobody knows, and it costs a connection.
	handshakeTimeout = 5 * time.Second

	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 4 * time.Second // with the time, a second less than the 15 that are promised
	// streamWorkers is how many goroutines stay to serve calls. A new one for each call would begin with a small stack, and growing
	// that costs a tenth of a small call's processor time. Calls above this number get one of their own.
	streamWorkers = 16
	// connectionAge is after which a client is asked to reconnect, give or take a tenth. It then looks up the names
	// of its target again: so replicas that were added get their share. Calls and streams under way are not disturbed.
	connectionAge = 30 * time.Second
)

// ServerConfig configures a server. Only Log is needed besides an Address or a Listener.
type ServerConfig struct {
	Address  string
	Listener net.Listener // used instead of Address when set
	TLS      config.TLS
	Certs    *certs.Source          // used instead of TLS when set
	Refused  *prometheus.CounterVec // counts calls refused for their caller's role; may be nil
	Health   *ops.Health
	Registry *prometheus.Registry
	Log      *slog.Logger
	// Errors maps sentinels of the domain to status codes. A handler returns domain errors; a status passes as it is.
	Errors map[error]codes.Code
	// Interceptors run inside those of the kit.
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
}

// Server is a gRPC server with health, reflection and the interceptors every service has.
type Server struct {
	grpc     *grpc.Server
	listener net.Listener
	health   *health.Server
	streams  context.Context
	end      context.CancelCauseFunc
}

// errStopping is why the context of a stream ends when its server stops.
var errStopping = errors.New("server is stopping")

// NewServer listens and prepares the server; services are registered before Run.
func NewServer(cfg ServerConfig) (*Server, error) {
	source, err := cfg.Certs, error(nil)
	if source == nil {
		if source, err = open(cfg.TLS); err != nil {
			return nil, fmt.Errorf("serve grpc: %w", err)
		}
	}
	listener := cfg.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", cfg.Address); err != nil {
			return nil, fmt.Errorf("serve grpc: %w", err)
		}
	}
	s := &Server{listener: listener, health: health.NewServer()}
	s.streams, s.end = context.WithCancelCause(context.Background())
	w, g := newWatch(cfg), guard{cfg.Refused}
	options := []grpc.ServerOption{
		grpc.Creds(serverCredentials(source)),
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.MaxSendMsgSize(MaxMessageBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxConcurrentStreams(4096),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, MaxConnectionAge: connectionAge}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(append([]grpc.UnaryServerInterceptor{receiveToken, w.unary, g.unary}, cfg.Unary...)...),
		grpc.ChainStreamInterceptor(append([]grpc.StreamServerInterceptor{w.stream, g.stream, s.endWithServer}, cfg.Stream...)...),
	}
	if telemetry.On() {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler()))
	}
	s.grpc = grpc.NewServer(options...)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	if cfg.Health != nil {
		cfg.Health.Watch(s.serving)
	}
	return s, nil
}

// Registrar takes the services to serve.
func (s *Server) Registrar() grpc.ServiceRegistrar { return s.grpc }

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends; then streams are ended first (a graceful stop would wait for them for ever), calls that
// run get a bounded time, and the rest is cut off.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve grpc: %w", err)
	case <-ctx.Done():
	}
	s.health.Shutdown()
	s.end(errStopping)
	timer := time.AfterFunc(gracefulStop, s.grpc.Stop)
	defer timer.Stop()
	s.grpc.GracefulStop()
	<-served
	return nil
}

// Close frees the port of a server that never ran. After Run it does nothing.
func (s *Server) Close() error {
	s.end(errStopping)
	s.grpc.Stop()
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop grpc: %w", err)
	}
	return nil
}

func (s *Server) serving(ready bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
}
