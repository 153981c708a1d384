package apigw

import (
	"context"
	"log/slog"

	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/idempotency"
	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/api-gw/internal/tracker"
	"blindseq/kit/budget"
	"blindseq/kit/fitness"
	"blindseq/kit/host"
	"blindseq/kit/leader"
	"blindseq/kit/memory"
	"blindseq/kit/redisx"
	"blindseq/kit/roles"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
)

// leading is the lease whose holder is the leading producer.
const leading = "producer"

// Service is a gateway that listens and does not serve yet.
type Service struct {
	*host.Host
	cfg     Config
	metrics *metrics
	budget  *budget.Budget
	front   *front
}

// gcPercent is how much the heap grows between two collections: it is small, and nearly all of it is of requests that end soon.
const gcPercent = 400

// Run runs a gateway until ctx ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	memory.Relax(gcPercent)
	return host.Start(ctx, cfg, log, New)
}

// New opens the listeners and connects the parts. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log), cfg: cfg}
	defer s.CloseOn(&err)
	s.metrics = newMetrics(s.Registry)
	if s.budget, err = budget.New(cfg.Flags, s.Registry, log); err != nil {
		return nil, err
	}
	if err := s.wire(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Run serves until ctx ends, and closes everything.
func (s *Service) Run(ctx context.Context) error {
	s.Log.InfoContext(ctx, "gateway serves", "rest", s.RESTAddr(), "rpc", s.RPCAddr(), "grpc", s.front.grpc.Addr().String())
	return s.Host.Run(ctx)
}

// RESTAddr is where REST is served.
func (s *Service) RESTAddr() string { return s.front.rest.Addr().String() }

// RPCAddr is where JSON-RPC is served.
func (s *Service) RPCAddr() string { return s.front.rpc.Addr().String() }

// GRPCAddr is where gRPC is served.
func (s *Service) GRPCAddr() string { return s.front.grpc.Addr().String() }

// wire makes the components and adds them. The tracker of the leader starts first and stops last. The public listeners stop
// first, so that their calls still find the rest.
func (s *Service) wire(ctx context.Context) (err error) {
	if s.front, err = listen(s.Host, s.cfg); err != nil {
		return err
	}
	rdb, err := host.Redis(s.Host)
	if err != nil {
		return err
	}
	directory, roster := leader.NewDirectory(rdb, leading), leader.NewRoster(rdb, leading)
	lines := s.lines(ctx, directory)

	api, checks, err := s.api(directory, lines, rdb)
	if err != nil {
		return err
	}
	certificates, err := s.Certificates()
	if err != nil {
		return err
	}
	scheme := "http"
	if certificates != nil {
		scheme = "https"
	}
	leaders := tracker.New(producers{directory, certificates != nil}, s.leaderKnown)
	proxy := rpcproxy.New(rpcproxy.Config{
		Leader: leaders.Current, Replicas: readers{roster, directory, scheme}.others, Origins: s.cfg.CORSOrigins, BodyLimit: s.cfg.RPCBodyLimit, Timeout: s.cfg.RPCTimeout,
		MaxWebSockets: s.cfg.MaxSockets, Unreachable: directory.Refresh, Hold: lines.Leader, Recorder: s.metrics, Log: s.Log,
		Certificates: certificates,
	})
	s.Defer("connections to producers", func() error { proxy.Close(); return nil })

	if err := s.Ops(); err != nil {
		return err
	}
	grpcServer, err := s.grpcServer(api)
	if err != nil {
		return err
	}
	restServer, err := s.restServer(ctx, api)
	if err != nil {
		return err
	}
	rpcServer := s.rpcServer(ctx, api, proxy)

	s.Add("directory", directory.Run)
	s.Add("roster", roster.Run)
	s.Add("leader tracker", leaders.Run)
	s.Add("held calls", lines.Leader.Run)
	s.Add("production watch", s.watchProduction(api.Standstill))
	s.Add("reach", func(ctx context.Context) error { return fitness.Reaches(ctx, s.Health, checks...) })
	s.Add("public listeners", together(grpcServer, restServer, rpcServer))
	return nil
}

// lines are where calls wait that cannot be served now: all in one room, so that one limit holds for them.
func (s *Service) lines(ctx context.Context, directory *leader.Directory) gateway.Lines {
	room := hold.New(hold.Config{Timeout: s.cfg.HoldTimeout, Max: s.cfg.MaxHeld, Recorder: s.metrics, Log: s.Log})
	return gateway.Lines{
		Leader: room.Line(ctx, hold.Backend{
			Name: "leader", Changed: directory.Changed,
			Who: func() string { e, _ := directory.Current(leading); return e.GRPC },
		}),
		Proposer: room.Line(ctx, hold.Backend{Name: "proposer"}),
		Monitor:  room.Line(ctx, hold.Backend{Name: "monitor"}),
	}
}

// api connects the public API with the services behind it, and returns how to find out whether they are reached.
func (s *Service) api(directory *leader.Directory, lines gateway.Lines, rdb *redisx.Client) (_ *gateway.Server, checks []fitness.Check, err error) {
	producer, err := s.Dial("leader:///"+leading, roles.Producer, directory.DialOption(),
		grpc.WithChainUnaryInterceptor(refuseUnary(producers{Directory: directory})),
		grpc.WithChainStreamInterceptor(refuseStream(producers{Directory: directory})))
	if err != nil {
		return nil, nil, err
	}
	proposer, err := s.Dial(s.cfg.Proposer, roles.Proposer)
	if err != nil {
		return nil, nil, err
	}
	monitor, err := s.Dial(s.cfg.Monitor, roles.Monitor)
	if err != nil {
		return nil, nil, err
	}
	checks = []fitness.Check{fitness.Reach("proposer-svc", proposer), fitness.Reach("monitor-svc", monitor)}
	return gateway.New(gateway.Backends{
		Producer: blueprintv1.NewProducerServiceClient(producer),
		Admin:    blueprintv1.NewAdminServiceClient(producer),
		Proposer: proposalv1.NewProposerServiceClient(proposer),
		Monitor:  preblockv1.NewMonitorServiceClient(monitor),
		Bind:     idempotency.New(rdb).Bind,
	}, gateway.Timeouts{Produce: s.cfg.ProduceWait, Call: s.cfg.CallTimeout, Status: s.cfg.StatusTimeout}, lines, s.Log), checks, nil
}

func (s *Service) leaderKnown(known bool) {
	if known {
		s.Health.Set("producer", "")
	} else {
		s.Health.Set("producer", "no leading producer is known yet")
	}
}
