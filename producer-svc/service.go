// Package producer is producer-svc: the transaction pool, the blueprint log, the EVM state, and the making of blocks.
// This file shows what it consists of and how it is connected. One replica leads and makes blocks; the others follow what
// the DSN fixes, serve reads, and take over; observers only follow.
package producer

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/lock"
	"blindseq/kit/notify"
	"blindseq/kit/service"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/audit"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/internal/intake"
	"blindseq/producer-svc/internal/leading"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/metrics"
	"blindseq/producer-svc/internal/pool"
	"blindseq/producer-svc/internal/publish"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/internal/seqs"
	"blindseq/producer-svc/internal/steps"
	"blindseq/producer-svc/internal/volume"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"
)

// LogTo sends go-ethereum's own log to log, for the whole process: without it, go-ethereum ends a process and does not say
// why. Call it before New; the first call counts.
func LogTo(log *slog.Logger) { chain.LogTo(log) }

// Run runs a replica until ctx ends or a component fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	LogTo(log)
	return host.Start(ctx, cfg, log, New)
}

// Service is a replica that listens and does not serve yet. Its parts are below, each with what belongs together.
type Service struct {
	*host.Host
	cfg     Config
	metrics *metrics.Metrics
	disk    *volume.Volume // log, chain, transactions, key
	pool    *pool.Pool
	intake  *intake.Intake // what clients send
	monitor preblockv1.MonitorServiceClient

	sealedLane
	making
	follow *follow.Follower
	steps  *steps.Tracker // of transactions that somebody follows
	audit  *audit.Audit   // of what the leader publishes
	leadership
	replication

	serving
	stopping atomic.Bool
}

// sealedLane is what sealed transactions need. All of it is nil without a committee.
type sealedLane struct {
	committee *committee.Committee
	seqs      *seqs.Window
	sealed    *sealedpool.Pool
	book      *admission.Book // of submitters
}

// making turns preblocks into blocks and publishes them.
type making struct {
	engine  *engine.Engine
	builder blueprint.Builder
	ledger  *ledger.Ledger
	feed    *feed.Feed
	rollup  *publish.Publisher // nil without a rollup node
	end     *engine.End        // of the process, when a disk cannot be written
}

// leadership is how this replica comes to lead, and what it does then.
type leadership struct {
	candidate  *leading.Candidate
	production *leading.Production
	pacer      *loop.Pacer // when the production makes blocks that nobody asks for
	guard      *sections.Guard
	lock       *lock.Locker // of one section
	fitness    components   // that find out whether this replica could lead
}

// components are run together.
type components []component

type component struct {
	name string
	run  func(context.Context) error
}

func (c *components) add(name string, run func(context.Context) error) {
	*c = append(*c, component{name, run})
}

// replication keeps what was acknowledged on more than one disk.
type replication struct {
	standbys *replicate.Standbys // those that stand by while this replica leads
	standby  *replicate.Standby  // this replica, while it does not lead
}

// serving is where clients and services reach this replica.
type serving struct {
	grpc *grpckit.Server
	rpc  *rpc.Server
}

// New opens what is on disk and listens. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Service{Host: host.New(ctx, &cfg.Common, log), cfg: cfg}
	defer s.CloseOn(&err)
	s.metrics = metrics.New(s.Registry)
	pace, err := cfg.pace()
	if err != nil {
		return nil, err
	}
	s.pacer = loop.NewPacer(pace)
	for _, step := range []func() error{s.openDisk, s.connect} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	s.register()
	s.observe()
	s.Health.Set("start", "replaying the blueprint log")
	s.Health.Set("leader", "its role is not decided yet")
	s.OnStop(func() { s.stopping.Store(true) })
	s.Add("producer", s.serve)
	return s, nil
}

// openDisk opens what this replica owns, and what reads and writes it.
func (s *Service) openDisk() (err error) {
	s.end = engine.NewEnd(s.Health)
	history, err := chain.ParseHistory(s.cfg.History)
	if err != nil {
		return err
	}
	s.disk, err = volume.Open(s.Host, volume.Config{
		History: history,
		Dir:     s.cfg.DataDir, Genesis: s.cfg.Genesis, DevGenesis: s.cfg.DevGenesis, KeyFile: s.cfg.SequencerKeyFile, CreateKey: s.cfg.CreateSequencerKey,
		Development: s.cfg.Development,
		NeedsKey:    !s.cfg.observes(), OnSync: s.metrics.Synced, Pool: s.cfg.Pool.limits(s.metrics), End: s.end,
	})
	if err != nil {
		return err
	}
	s.pool = &pool.Pool{Store: s.disk.Store, Keeper: s.disk.Keeper, Wake: notify.NewWake()}
	if err := s.openSealed(); err != nil {
		return err
	}
	s.ledger = &ledger.Ledger{
		Chain: s.disk.Chain, Keeper: s.disk.Keeper, Sealed: s.sealed, Count: s.metrics.Applied, Clock: s.cfg.Clock,
	}
	if s.committee != nil {
		s.ledger.Bars = ledger.Bars{Lifetime: s.committee.Limits.Lifetime, IsRelay: s.committee.IsRelay}
	}
	s.builder = blueprint.Builder{Records: s.disk.Log, Results: s.ledger, Key: s.disk.Key}
	s.feed = feed.New(s.builder, s.ledger.Head().Number)
	return nil
}

// Addresses are where the replica listens.
func (s *Service) Addresses() (grpc, http, rpc string) {
	return s.grpc.Addr(), s.OpsAddr(), s.rpc.Addr()
}

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once.
//
//	JSON-RPC ─▶ intake ─▶ pool ───────┐                  ┌─▶ blueprint log ─▶ chain ─▶ feed   (the engine)
//	ProduceBlock ─▶ callers ┐           ▼ content          │ preblock
//	                      ├─▶ section ─▶ proposer ─ ─ ─ ─▶ monitor
//	            loop ─────┘ (under the lease, each section under the consumption lock)
//
//	leader's transactions ─▶ standby ─▶ transaction store            (the same)
//	monitor's stream ─▶ follower ─▶ the engine                       (while another leads)
func (s *Service) Run(ctx context.Context) error { return s.Host.Run(ctx) }

// serve comes to the state the log and the store have, and then serves. Nothing is answered before.
func (s *Service) serve(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.Health.Set("start", "")
	g := service.NewGroup(s.Log)
	g.Add("disk", s.end.Run)
	g.Add("directory", s.candidate.Directory.Run)
	g.Add("json-rpc", s.rpc.Run)
	g.Add("grpc", s.grpc.Run)
	g.Add("follower", s.follow.Run)
	g.Add("audit", s.audit.Run)
	g.Add("steps", s.steps.Run)
	for _, c := range s.fitness {
		g.Add(c.name, c.run)
	}
	if !s.cfg.observes() {
		g.Add("standby", s.standby.Run)
		g.Add("campaign", s.candidate.Campaign)
	}
	g.Add("role", s.candidate.Report)
	g.Add("roster", s.candidate.Enroll)
	s.Log.InfoContext(ctx, "producer serves", "grpc", s.grpc.Addr(), "http", s.OpsAddr(), "rpc", s.rpc.Addr(), "head", s.engine.Head().Number)
	return g.Run(ctx)
}

// recover replays what the chain lost and puts what was acknowledged back into the pool.
func (s *Service) recover(ctx context.Context) error {
	if s.book != nil { // before the replay, which adds what follows
		if err := s.ledger.Remember(s.book, s.disk.Log.Get); err != nil {
			return err
		}
	}
	if err := s.engine.Replay(ctx, s.Log); errors.Is(err, chain.ErrExecution) {
		s.follow.Halt(ctx, err) // the next start would meet it again
	} else if err != nil {
		return err
	}
	s.cfg.Clock.Passed(s.engine.Head().Time)
	// gofail: var blueprintsReplayed struct{}
	s.feed.Publish(s.engine.Head().Number)
	if s.sealed != nil {
		if err := s.sealed.Recover(); err != nil {
			return err
		}
	}
	return s.disk.Keeper.Warm(ctx)
}
