// Package producer is producer-svc: the transaction pool, the blueprint log, the EVM state, and the making of blocks.
// This file shows what it consists of and how it is connected. One replica leads and makes blocks; the others follow what
// the DSN fixes, serve reads, and take over; observers only follow.
package producer

import (
	"blindseq/producer-svc/blueprint"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"blindseq/kit/grpckit"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/ops"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/kit/service"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/publish"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/sections"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	replicationv1 "blindseq/proto/blindseq/replication/v1"
	"blindseq/seal/committee"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
)

// LogTo sends what go-ethereum says by itself to a log, for the whole process: without, it ends a process and does not say
// why. Call it before New; the first call counts.
func LogTo(log *slog.Logger) { chain.LogTo(log) }

// Run runs a replica until ctx ends or a component fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	LogTo(log)
	s, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Service is a replica that listens and does not serve yet.
type Service struct {
	cfg     Config
	log     *slog.Logger
	health  *ops.Health
	metrics *metrics

	disk   *disk // log, chain, transactions, key
	end    *engine.End
	ledger *ledger.Ledger
	engine *engine.Engine
	pool   *pool
	feed   *feed.Feed

	committee *committee.Committee // nil when nothing is encrypted
	bundles   *bundles.Pool        // the same
	monitor   preblockv1.MonitorServiceClient

	publisher *publish.Publisher // nil without a rollup node
	rollup    *publish.RollupNode

	guard  *sections.Guard
	makes  *production
	follow *follow.Follower

	hub     *replicate.Hub     // of those that stand by while this replica leads
	standby *replicate.Standby // this replica, while it does not
	peers   replicationv1.ReplicationServiceClient

	rdb       redis.UniversalClient
	conns     []*grpc.ClientConn
	ops       *ops.Server
	grpc      *grpckit.Server
	rpc       *rpc.Server
	endpoint  leader.Endpoint
	directory *leader.Directory // who leads
	lease     *lock.Locker      // of the leading producer
	lock      *lock.Locker      // of one section
	stopWork  func()
	stopping  atomic.Bool
}

// New opens what is on disk and listens. On an error nothing is left open.
func New(_ context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, log: log, health: ops.NewHealth(), metrics: newMetrics(ops.NewRegistry())}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.end = engine.NewEnd(s.health)
	if s.disk, err = openDisk(cfg, s.metrics, s.end, log); err != nil {
		return nil, err
	}
	s.pool = &pool{store: s.disk.store, keeper: s.disk.keeper, nudge: make(chan struct{}, 1)}
	if err := s.encrypt(); err != nil {
		return nil, err
	}
	s.ledger = &ledger.Ledger{
		Chain: s.disk.chain, Keeper: s.disk.keeper, Bundles: s.bundles, KeepEarly: !s.cfg.observes(), Count: s.metrics.applied,
	}
	s.feed = feed.New(blueprint.Builder{Records: s.disk.log, Results: s.ledger, Key: s.disk.key}, s.ledger.Head().Number)
	if s.rdb, err = redisx.Open(cfg.RedisURL); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.directory = leader.NewDirectory(s.rdb, rediskeys.ProducerLease)
	s.lease = s.locker(rediskeys.ProducerLease, cfg.LeaseTTL)
	s.lock = s.locker(rediskeys.ConsumptionLock, cfg.LockTTL)
	if err := s.connect(); err != nil {
		return nil, err
	}
	s.register()
	s.observe()
	s.health.Set("start", "replaying the blueprint log")
	s.health.Set("leader", "its role is not settled yet")
	return s, nil
}

func (s *Service) locker(name string, ttl time.Duration) *lock.Locker {
	return lock.New(s.rdb, lock.Options{Name: name, TTL: ttl, Holder: s.endpoint.ID(), Log: s.log, Guard: lock.Guard{
		Replicas: s.cfg.Lock.Replicas, Timeout: s.cfg.Lock.Timeout,
		Report: s.health.Reporter("lock "+name, s.metrics.returned.WithLabelValues(name)),
	}})
}

// connect builds production: loop and desk over sections, sections over the lock, the services and the disk.
func (s *Service) connect() error {
	proposer, err := s.dial(s.cfg.Proposer)
	if err != nil {
		return err
	}
	monitor, err := s.dial(s.cfg.Monitor)
	if err != nil {
		return err
	}
	s.monitor = preblockv1.NewMonitorServiceClient(monitor)
	between, err := s.cfg.between()
	if err != nil {
		return err
	}
	leading, err := s.dial(leader.Scheme+":///"+rediskeys.ProducerLease, s.directory.DialOption())
	if err != nil {
		return err
	}
	s.replicate(leading)
	tracer := otel.Tracer("blindseq/producer-svc")
	s.engine = engine.New(engine.Deps{
		Log: s.disk.log, Chain: s.ledger, Delayed: s.pool, Publisher: s.feed, End: s.end, Token: s.standby.Token,
		Decided: func(rec *blueprintv1.LogRecord) {
			if s.bundles != nil {
				s.bundles.Decided(ledger.BundleHashes(rec))
			}
		},
	})
	performer := sections.NewPerformer(sections.Deps{
		Lock:     consumption{locker: s.lock, log: s.disk.log, known: s.standby.Token},
		Proposer: proposalv1.NewProposerServiceClient(proposer),
		Monitor:  s.monitor,
		Engine:   s.engine,
		Now:      time.Now,
		Await:    s.cfg.EventTimeout,
	})
	runner := sections.NewRunner(measuredSteps{next: performer, metrics: s.metrics, tracer: tracer}, s.cfg.MaxClockDrift, s.log)
	s.guard = sections.NewGuard(measuredSections{next: runner, metrics: s.metrics, tracer: tracer},
		func(reason string) { s.health.Set("production", reason) })
	s.follow = follow.New(follow.Deps{
		Monitor: s.monitor, Engine: s.engine, Supply: delayedOf(blueprintv1.NewProducerServiceClient(leading)), Alarm: s.guard.Halt, Slog: s.log,
	})
	work, stop := s.disk.chain.Work()
	s.stopWork = stop
	s.makes = newProduction(&production{
		sections: s.guard,
		halted:   s.haltedHere,
		known:    s.engine.Known,
		publish:  s.publisher,
		follow:   s.follow,
		keep:     s.disk.keeper,
		standbys: s.hub,
		health:   s.health,
		log:      s.log,
	}, loop.Deps{Between: between, Age: s.feed.Age, Ready: s.proposable, Changed: work, Nudged: s.pool.nudge}, s.cfg.MaxWaiting)
	return nil
}

func (s *Service) dial(target string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	c, err := grpckit.Dial(target, s.cfg.TLS, options...)
	if err == nil {
		s.conns = append(s.conns, c)
	}
	return c, err
}

// served finds the applied block that a request gave.
func (s *Service) served(requestID string) (number uint64, ok bool) {
	block, ok := s.engine.Known(requestID)
	return block.Number, ok
}

// proposable says whether a proposal would hold something now, as far as a look at counters tells.
func (s *Service) proposable() bool {
	pending, _ := s.disk.chain.PoolSize()
	return !s.poolLocked() && (pending > 0 || s.waitingBundles() > 0 || s.ledger.Carried() || s.disk.store.DelayedCount() > 0)
}

// listen opens the listeners, and settles the endpoints others find a leader by.
func (s *Service) listen() (err error) {
	listener, err := net.Listen("tcp", s.cfg.GRPCAddress)
	if err != nil {
		return fmt.Errorf("serve grpc: %w", err)
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{
		Listener: listener, TLS: s.cfg.TLS, Health: s.health, Registry: s.metrics.registry, Log: s.log, Errors: statusCodes(),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	rollup, err := s.cfg.rollup()
	if err != nil {
		return err
	}
	s.publishTo(rollup)
	s.rpc, err = rpc.NewServer(rpc.Config{Address: s.cfg.RPCAddress, Key: s.encryptionKey(), OrderProof: s.orderProof, Head: func() uint64 { return s.ledger.Head().Number }, Count: s.metrics.asked.Inc, Feed: feed.NewHandler(s.feed, rollup), Log: s.log}, s.disk.chain, s.sent())
	if err != nil {
		return err
	}
	if s.ops, err = ops.NewServer(s.cfg.HTTPAddress, s.health, s.metrics.registry); err != nil {
		return err
	}
	if s.endpoint.GRPC, err = s.cfg.AdvertiseAddress(s.grpc.Addr()); err != nil {
		return err
	}
	s.endpoint.Name = s.cfg.AdvertiseName
	s.endpoint.RPC, err = s.cfg.AdvertiseAddress(s.rpc.Addr())
	return err
}

func (s *Service) register() {
	blueprintv1.RegisterProducerServiceServer(s.grpc.Registrar(), &api.Producer{
		Desk:     s.makes.desk,
		Feed:     s.feed,
		Contents: s.contents(),
		Leading:  s.makes.leading.Load,
		Served:   s.served,
		Status:   s.status,
	})
	replicationv1.RegisterReplicationServiceServer(s.grpc.Registrar(), s.replication())
	blueprintv1.RegisterAdminServiceServer(s.grpc.Registrar(), &api.Admin{Store: s.pool, Leading: s.makes.leading.Load})
}

// Addresses are where the replica listens.
func (s *Service) Addresses() (grpc, http, rpc string) {
	return s.grpc.Addr(), s.ops.Addr(), s.rpc.Addr()
}

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once.
//
//	JSON-RPC ─▶ transactions ─▶ pool ─┐                  ┌─▶ blueprint log ─▶ chain ─▶ feed
//	ProduceBlock ─▶ desk ─┐           ▼ content          │ preblock
//	                      ├─▶ section ─▶ proposer ─ ─ ─ ─▶ monitor
//	            loop ─────┘ (under the lease, each section under the consumption lock)
//
//	leader's transactions ─▶ standby ─▶ transaction store            (the same)
//	monitor's stream ─▶ follower ─▶ blueprint log ─▶ chain ─▶ feed   (while another leads)
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	g.Add("producer", s.serve)
	return g.Run(ctx)
}

// serve comes to the state the log and the store have, and then serves. Nothing is answered before.
func (s *Service) serve(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.health.Set("start", "")
	g := service.NewGroup(s.log)
	g.Add("disk", s.end.Run)
	g.Add("directory", s.directory.Run)
	g.Add("json-rpc", s.rpc.Run)
	g.Add("grpc", s.grpc.Run)
	g.Add("follower", s.follow.Run)
	if !s.cfg.observes() {
		g.Add("standby", s.standby.Run)
		g.Add("campaign", s.campaign)
	}
	g.Add("role", s.report)
	g.Add("roster", s.enroll)
	g.Add("readiness", s.ready)
	s.log.InfoContext(ctx, "producer serves", "grpc", s.grpc.Addr(), "http", s.ops.Addr(), "rpc", s.rpc.Addr(), "head", s.ledger.Head().Number)
	return g.Run(ctx)
}

// ready is stopped first, so that nothing new is sent here while the rest stops.
func (s *Service) ready(ctx context.Context) error {
	<-ctx.Done()
	s.stopping.Store(true)
	s.health.Set("service", "stopping")
	return nil
}

// recover replays what the chain lost and puts what was acknowledged back into the pool.
func (s *Service) recover(ctx context.Context) error {
	if err := s.engine.Replay(ctx, s.log); err != nil {
		return err
	}
	// gofail: var blueprintsReplayed struct{}
	s.feed.Publish(s.engine.Head().Number)
	if s.bundles != nil {
		if err := s.bundles.Recover(); err != nil {
			return err
		}
	}
	return s.disk.keeper.Warm(ctx)
}

// close lets go of everything, in the order opposite to New's.
func (s *Service) close() {
	var errs []error
	if s.stopWork != nil {
		s.stopWork()
	}
	if s.rollup != nil {
		s.rollup.Close()
	}
	for _, c := range s.conns {
		errs = append(errs, c.Close())
	}
	if s.rdb != nil {
		errs = append(errs, s.rdb.Close())
	}
	if s.disk != nil {
		errs = append(errs, s.disk.close())
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Warn("close", "error", err)
	}
}
