// Package proposer is proposer-svc: the FIFO of proposal requests, and the one proposal in flight. Any number of replicas
// run, and one of them submits. This file shows the components of a replica and how they are connected.
package proposer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/kit/requestid"
	"blindseq/kit/retry"
	"blindseq/kit/roles"
	"blindseq/proposer-svc/internal/api"
	"blindseq/proposer-svc/internal/redisqueue"
	"blindseq/proposer-svc/internal/submit"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// retryPolicy paces the retries of a step that fails. The longest pause is short: usually a service is being restarted, and
// nothing else can continue meanwhile.
var retryPolicy = retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}

// Run runs a replica until ctx ends or a component fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return host.Start(ctx, cfg, log, New)
}

// Service is a replica that listens and does not serve yet.
type Service struct {
	*host.Host
	metrics   *metrics
	grpc      *grpckit.Server
	directory *leader.Directory
	queue     *redisqueue.Store
	loop      *submit.Loop
	locker    *lock.Locker
	endpoint  leader.Endpoint
	peers     peers
	fitness   fitness.Fitness
	aside     *leader.Aside
}

// peers are the connections to the services that the loop calls.
type peers struct{ producer, dsn, monitor *grpc.ClientConn }

// New builds a replica. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log)}
	defer s.CloseOn(&err)
	rdb, err := host.Redis(s.Host)
	if err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s.Registry)
	s.queue = redisqueue.New(rdb, redisqueue.Config{
		Limits: queue.Limits{Queued: cfg.MaxQueue}, ProcessedTTL: cfg.ProcessedTTL, Holder: func() string { return s.locker.Holder() },
	}, log)
	s.metrics.follow(s.Registry, s.queue.Seen)
	s.directory = leader.NewDirectory(rdb, rediskeys.ProducerLease)
	if err := s.dial(cfg); err != nil {
		return nil, err
	}
	if err := s.listen(cfg); err != nil {
		return nil, err
	}
	s.locker = lock.New(rdb, s.lease(cfg))
	s.stepAside(rdb, cfg.AsideWait)
	s.Add("leader directory", s.directory.Run)
	s.Add("queue watch", s.queue.Watch)
	s.Add("grpc", s.grpc.Run)
	s.Add("campaign", func(ctx context.Context) error {
		return s.aside.Campaign(ctx, s.endpoint, s.loop.Lead)
	})
	return s, nil
}

// stepAside has this replica find out whether it could do the work of the active one, and leave that to another when it cannot.
func (s *Service) stepAside(rdb *redisx.Client, wait time.Duration) {
	replicas := leader.NewRoster(rdb, rediskeys.ProposerLease)
	s.aside = &leader.Aside{Lease: s.locker, Fitness: &s.fitness, Roster: replicas, Self: s.endpoint.ID(), Wait: wait}
	s.aside.Register(s.Registry)
	s.Add("replicas", replicas.Run)
	s.Add("fitness", func(ctx context.Context) error {
		return s.fitness.Watch(ctx, fitness.Reach("producer-svc", s.peers.producer), fitness.Reach("monitor-svc", s.peers.monitor), fitness.Reach("sequencer", s.peers.dsn))
	})
	s.Add("fitness report", func(ctx context.Context) error {
		return s.fitness.Report(ctx, func(faults []fitness.Fault) {
			s.Health.Note("faults", fitness.Text(faults))
			s.Health.Note("aside", s.aside.Text())
		})
	})
	s.Add("roster", func(ctx context.Context) error { return leader.Enroll(ctx, rdb, rediskeys.ProposerLease, s.describe) })
}

// missedAfter is how long the leading producer does not answer before this replica says so.
const missedAfter = 3 * time.Second

// describe is what this replica says of itself.
func (s *Service) describe() (leader.Replica, bool) {
	r := leader.Replica{Endpoint: s.endpoint, MayLead: true, Whole: s.aside.Whole()}
	if leads, known := s.directory.Current(rediskeys.ProducerLease); known && slices.ContainsFunc(s.fitness.Faults(missedAfter), func(f fitness.Fault) bool {
		return f.Part == "producer-svc"
	}) {
		r.Misses = leads.ID()
	}
	return r, true
}

func (s *Service) listen(cfg Config) (err error) {
	if s.grpc, err = s.GRPC(grpckit.ServerConfig{Errors: statusCodes()}); err != nil {
		return err
	}
	proposalv1.RegisterProposerServiceServer(s.grpc.Registrar(), api.New(s.queue, s.metrics.leading.Load))
	if s.endpoint.GRPC, err = cfg.AdvertiseAddress(s.grpc.Addr()); err != nil {
		return err
	}
	s.Act(leader.HandoverPattern, leader.HandoverHandler(func() *leader.Aside { return s.aside }))
	return s.Ops()
}

// lease is how this replica competes to be the active proposer.
func (s *Service) lease(cfg Config) lock.Options {
	const name = rediskeys.ProposerLease
	return lock.Options{Name: name, TTL: cfg.LeaseTTL, Holder: s.endpoint.GRPC, Log: s.Log, Guard: lock.Guard{
		Replicas: cfg.Lock.Replicas, Timeout: cfg.Lock.Timeout,
		Report: s.Health.Reporter("lock "+name, s.metrics.returned.WithLabelValues(name)),
	}}
}

// dial prepares the connections to the services the loop calls. Each connects when it is first used.
func (s *Service) dial(cfg Config) error {
	producer, err := s.Dial("leader:///"+rediskeys.ProducerLease, roles.Producer, s.directory.DialOption())
	if err != nil {
		return err
	}
	dsn, err := s.Dial(cfg.DSN, roles.Sequencer)
	if err != nil {
		return err
	}
	monitor, err := s.Dial(cfg.Monitor, roles.Monitor)
	if err != nil {
		return err
	}
	s.peers = peers{producer, dsn, monitor}
	s.loop = submit.New(submit.Deps{
		Queue:    s.queue,
		Producer: blueprintv1.NewProducerServiceClient(producer),
		DSN:      dsnv1.NewSequencerServiceClient(dsn),
		Monitor:  preblockv1.NewMonitorServiceClient(monitor),
		Observer: s.metrics,
		Log:      s.Log,
	}, submit.Config{AttemptTimeout: cfg.AttemptTimeout, CallTimeout: cfg.CallTimeout, Retry: retryPolicy})
	return nil
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
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.OpsAddr() }

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once. A standby is ready too: it
// takes requests, and takes over.
//
//	RequestProposal ─▶ FIFO in Redis ─▶ loop (under the lease) ─┬─▶ leading producer: content
//	NotifyProcessed ─▶     │  ▲                                 ├─▶ DSN: proposal
//	                       └──┴── watched by every replica      └─▶ monitor: no preblock
func (s *Service) Run(ctx context.Context) error {
	grpc, http := s.Addresses()
	s.Log.InfoContext(ctx, "proposer ready", "grpc", grpc, "http", http)
	return s.Host.Run(ctx)
}
