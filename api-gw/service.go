package apigw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/api-gw/internal/upstream"
	"blindseq/kit/grpckit"
	"blindseq/kit/leader"
	"blindseq/kit/ops"
	"blindseq/kit/redisx"
	"blindseq/kit/service"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// leading is the lease whose holder is the leading producer.
const leading = "producer"

// Service is a gateway that listens and does not serve yet.
type Service struct {
	cfg      Config
	log      *slog.Logger
	health   *ops.Health
	registry *prometheus.Registry
	metrics  *metrics
	front    *front
	opsAddr  string
	group    *service.Group
	closers  []func() error
}

// Run runs a gateway until ctx ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	s, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// New opens the listeners and connects the parts. A Service that is not Run must be closed.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Service, error) {
	s := &Service{cfg: cfg, log: log, health: ops.NewHealth(), registry: ops.NewRegistry(), group: service.NewGroup(log)}
	s.metrics = newMetrics(s.registry)
	if err := s.wire(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Run serves until ctx ends, and closes everything.
func (s *Service) Run(ctx context.Context) error {
	s.log.InfoContext(ctx, "gateway serves", "rest", s.RESTAddr(), "rpc", s.RPCAddr(), "grpc", s.front.grpc.Addr().String())
	return errors.Join(s.group.Run(ctx), s.Close())
}

// RESTAddr is where REST is served.
func (s *Service) RESTAddr() string { return s.front.rest.Addr().String() }

// RPCAddr is where JSON-RPC is served.
func (s *Service) RPCAddr() string { return s.front.rpc.Addr().String() }

// GRPCAddr is where gRPC is served.
func (s *Service) GRPCAddr() string { return s.front.grpc.Addr().String() }

// Close gives up what New opened.
func (s *Service) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// wire makes the components and adds them to the group: who leads, first to start and last to stop; then what the
// operator sees; then the public listeners, first to stop, so that their calls still find the rest.
func (s *Service) wire(ctx context.Context) (err error) {
	if s.front, err = listen(s.cfg); err != nil {
		return err
	}
	s.closers = append(s.closers, s.front.Close)

	rdb, err := redisx.Open(s.cfg.RedisURL)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, rdb.Close)
	directory, roster := leader.NewDirectory(rdb, leading), leader.NewRoster(rdb, leading)
	lines := s.lines(ctx, directory)

	api, err := s.api(directory, lines)
	if err != nil {
		return err
	}
	tracker := upstream.New(producers{directory}, s.leaderKnown)
	proxy := rpcproxy.New(rpcproxy.Config{
		Leader: tracker.Current, Replicas: readers{roster, directory}.others, Origins: s.cfg.CORSOrigins, BodyLimit: s.cfg.RPCBodyLimit, Timeout: s.cfg.RPCTimeout,
		MaxWebSockets: s.cfg.MaxSockets, Unreachable: directory.Refresh, Hold: lines.Leader, Recorder: s.metrics, Log: s.log,
	})
	s.closers = append(s.closers, func() error { proxy.Close(); return nil })

	opsServer, err := ops.NewServer(s.cfg.HTTPAddress, s.health, s.registry)
	if err != nil {
		return err
	}
	s.opsAddr = opsServer.Addr()
	grpcServer, err := s.grpcServer(api)
	if err != nil {
		return err
	}
	restServer, err := s.restServer(ctx, api)
	if err != nil {
		return err
	}
	rpcServer := s.rpcServer(ctx, api, proxy)

	s.group.Add("directory", directory.Run)
	s.group.Add("roster", roster.Run)
	s.group.Add("leader tracker", tracker.Run)
	s.group.Add("held calls", lines.Leader.Run)
	s.group.Add("production watch", s.watchProduction(api.Standstill))
	s.group.Add("health and metrics", opsServer.Run)
	s.group.Add("public listeners", together(grpcServer, restServer, rpcServer))
	return nil
}

// lines are where calls wait that cannot be served now: all in one room, so that one limit holds for them.
func (s *Service) lines(ctx context.Context, directory *leader.Directory) gateway.Lines {
	room := hold.New(hold.Config{Timeout: s.cfg.HoldTimeout, Max: s.cfg.MaxHeld, Recorder: s.metrics, Log: s.log})
	return gateway.Lines{
		Leader: room.Line(ctx, hold.Upstream{
			Name: "leader", Changed: directory.Changed,
			Who: func() string { e, _ := directory.Current(leading); return e.GRPC },
		}),
		Proposer: room.Line(ctx, hold.Upstream{Name: "proposer"}),
		Monitor:  room.Line(ctx, hold.Upstream{Name: "monitor"}),
	}
}

// api connects the public API with the services behind it.
func (s *Service) api(directory *leader.Directory, lines gateway.Lines) (*gateway.Server, error) {
	producer, err := s.dial("leader:///"+leading, directory.DialOption(),
		grpc.WithChainUnaryInterceptor(refuseUnary(producers{directory})),
		grpc.WithChainStreamInterceptor(refuseStream(producers{directory})))
	if err != nil {
		return nil, err
	}
	proposer, err := s.dial(s.cfg.Proposer)
	if err != nil {
		return nil, err
	}
	monitor, err := s.dial(s.cfg.Monitor)
	if err != nil {
		return nil, err
	}
	return gateway.New(gateway.Backends{
		Producer: blueprintv1.NewProducerServiceClient(producer),
		Admin:    blueprintv1.NewAdminServiceClient(producer),
		Proposer: proposalv1.NewProposerServiceClient(proposer),
		Monitor:  preblockv1.NewMonitorServiceClient(monitor),
	}, gateway.Timeouts{Produce: s.cfg.ProduceWait, Call: s.cfg.CallTimeout, Status: s.cfg.StatusTimeout}, lines, s.log), nil
}

func (s *Service) dial(target string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	conn, err := grpckit.Dial(target, s.cfg.TLS, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to services: %w", err)
	}
	s.closers = append(s.closers, conn.Close)
	return conn, nil
}

func (s *Service) leaderKnown(known bool) {
	if known {
		s.health.Set("producer", "")
	} else {
		s.health.Set("producer", "no leading producer is known yet")
	}
}
