// Package proposer is proposer-svc: the FIFO of proposal requests, and the one proposal in flight. This file shows what
// it consists of; any number of replicas run, and one of them submits.
package proposer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"blindseq/kit/grpckit"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/ops"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/kit/requestid"
	"blindseq/kit/retry"
	"blindseq/kit/service"
	"blindseq/proposer-svc/internal/api"
	"blindseq/proposer-svc/internal/redisqueue"
	"blindseq/proposer-svc/internal/submit"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// retryPolicy paces the retries of a step that fails. The longest pause is short: usually a service is being restarted, and
// nothing else can continue meanwhile.
var retryPolicy = retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}

// Run runs a replica until ctx ends or a component fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	s, err := New(cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Service is a replica that listens and does not serve yet.
type Service struct {
	log       *slog.Logger
	health    *ops.Health
	rdb       redis.UniversalClient
	ops       *ops.Server
	grpc      *grpckit.Server
	directory *leader.Directory
	queue     *redisqueue.Store
	loop      *submit.Loop
	locker    *lock.Locker
	endpoint  leader.Endpoint
	conns     []*grpc.ClientConn
}

// New builds a replica. On an error nothing is left open.
func New(cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{log: log, health: ops.NewHealth()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.rdb, err = redisx.Open(cfg.RedisURL); err != nil {
		return nil, err
	}
	reg := ops.NewRegistry()
	m := newMetrics(reg)
	s.queue = redisqueue.New(s.rdb, redisqueue.Config{
		Limits: queue.Limits{Queued: cfg.MaxQueue}, ProcessedTTL: cfg.ProcessedTTL, Holder: func() string { return s.locker.Holder() },
	}, log)
	m.follow(reg, s.queue.Seen)
	s.directory = leader.NewDirectory(s.rdb, rediskeys.ProducerLease)
	if err := s.dial(cfg, m); err != nil {
		return nil, err
	}
	if err := s.listen(cfg, reg, api.New(s.queue, m.leading.Load)); err != nil {
		return nil, err
	}
	const lease = rediskeys.ProposerLease
	s.locker = lock.New(s.rdb, lock.Options{Name: lease, TTL: cfg.LeaseTTL, Holder: s.endpoint.GRPC, Log: log, Guard: lock.Guard{
		Replicas: cfg.Lock.Replicas, Timeout: cfg.Lock.Timeout,
		Report: s.health.Reporter("lock "+lease, m.returned.WithLabelValues(lease)),
	}})
	return s, nil
}

func (s *Service) listen(cfg Config, reg *prometheus.Registry, a *api.Service) (err error) {
	listener, err := net.Listen("tcp", cfg.GRPCAddress)
	if err != nil {
		return fmt.Errorf("serve grpc: %w", err)
	}
	defer func() {
		if err != nil {
			_ = listener.Close() // the first error is the one to tell
		}
	}()
	if s.endpoint.GRPC, err = cfg.AdvertiseAddress(listener.Addr().String()); err != nil {
		return err
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{
		Listener: listener, TLS: cfg.TLS, Health: s.health, Registry: reg, Log: s.log, Errors: statusCodes(),
	})
	if err != nil {
		return err
	}
	proposalv1.RegisterProposerServiceServer(s.grpc.Registrar(), a)
	s.ops, err = ops.NewServer(cfg.HTTPAddress, s.health, reg)
	return err
}

// dial prepares the connections to the services the loop asks; they are made when first used.
func (s *Service) dial(cfg Config, m *metrics) error {
	producer, err := s.conn(cfg, "leader:///"+rediskeys.ProducerLease, s.directory.DialOption())
	if err != nil {
		return err
	}
	dsn, err := s.conn(cfg, cfg.DSN)
	if err != nil {
		return err
	}
	monitor, err := s.conn(cfg, cfg.Monitor)
	if err != nil {
		return err
	}
	s.loop = submit.New(submit.Deps{
		Queue:    s.queue,
		Producer: blueprintv1.NewProducerServiceClient(producer),
		DSN:      dsnv1.NewSequencerServiceClient(dsn),
		Monitor:  preblockv1.NewMonitorServiceClient(monitor),
		Observer: m,
		Log:      s.log,
	}, submit.Config{AttemptTimeout: cfg.AttemptTimeout, CallTimeout: cfg.CallTimeout, Retry: retryPolicy})
	return nil
}

func (s *Service) conn(cfg Config, target string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	c, err := grpckit.Dial(target, cfg.TLS, options...)
	if err == nil {
		s.conns = append(s.conns, c)
	}
	return c, err
}

func statusCodes() map[error]codes.Code {
	return map[error]codes.Code{
		requestid.ErrInvalid:      codes.InvalidArgument,
		api.ErrBadRequest:         codes.InvalidArgument,
		queue.ErrNoNumber:         codes.InvalidArgument,
		queue.ErrFull:             codes.ResourceExhausted,
		redisqueue.ErrUnavailable: codes.Unavailable,
		redisqueue.ErrContended:   codes.Unavailable,
	}
}

// Addresses are where the replica listens.
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.ops.Addr() }

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once.
//
//	RequestProposal ─▶ FIFO in Redis ─▶ loop (under the lease) ─┬─▶ leading producer: content
//	NotifyProcessed ─▶     │  ▲                                 ├─▶ DSN: proposal
//	                       └──┴── watched by every replica      └─▶ monitor: no preblock
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	g.Add("leader directory", s.directory.Run)
	g.Add("queue watch", s.queue.Watch)
	g.Add("grpc", s.grpc.Run)
	g.Add("campaign", func(ctx context.Context) error {
		return leader.Campaign(ctx, s.locker, s.endpoint, s.loop.Lead)
	})
	g.Add("readiness", s.ready)
	grpc, http := s.Addresses()
	s.log.InfoContext(ctx, "proposer ready", "grpc", grpc, "http", http)
	return g.Run(ctx)
}

// ready is stopped first, so that nothing new is sent here while the rest stops. A standby is ready too: it takes
// requests, and takes over.
func (s *Service) ready(ctx context.Context) error {
	<-ctx.Done()
	s.health.Set("service", "stopping")
	return nil
}

func (s *Service) close() {
	for _, c := range s.conns {
		if err := c.Close(); err != nil {
			s.log.Warn("close a connection", "target", c.Target(), "error", err)
		}
	}
	if s.rdb == nil {
		return
	}
	if err := s.rdb.Close(); err != nil {
		s.log.Warn("close redis", "error", err)
	}
}
