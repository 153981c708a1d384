// Package monitor is monitor-svc: it merges the DSN's preblocks with the notices that there is none into one event for
// each proposal request. This file shows what it consists of; any number of replicas run, and all serve.
package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"blindseq/kit/grpckit"
	"blindseq/kit/ops"
	"blindseq/kit/redisx"
	"blindseq/kit/requestid"
	"blindseq/kit/retry"
	"blindseq/kit/service"
	"blindseq/monitor-svc/internal/api"
	"blindseq/monitor-svc/internal/conflict"
	"blindseq/monitor-svc/internal/notices"
	"blindseq/monitor-svc/internal/proof"
	"blindseq/monitor-svc/internal/source"
	"blindseq/monitor-svc/internal/waiters"
	"blindseq/monitor-svc/merge"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// retryPolicy paces the attempts to reach the DSN. The longest pause is short: nothing else can continue meanwhile.
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
	metrics   *metrics
	connected atomic.Bool
	rdb       redis.UniversalClient
	dsn       *grpc.ClientConn
	ops       *ops.Server
	grpc      *grpckit.Server
	waiters   *waiters.Registry
	notices   *notices.Notices
	conflict  *conflict.Recorder
	stream    *source.Stream
	fetcher   *source.Fetcher
	watch     *source.Watch
}

// New builds a replica. On an error nothing is left open.
func New(cfg Config, log *slog.Logger) (_ *Service, err error) {
	reg := ops.NewRegistry()
	s := &Service{log: log, health: ops.NewHealth(), metrics: newMetrics(reg)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.health.Set("dsn", "not connected yet")
	if s.rdb, err = redisx.Open(cfg.RedisURL); err != nil {
		return nil, err
	}
	if s.dsn, err = grpckit.Dial(cfg.DSN, cfg.TLS); err != nil {
		return nil, err
	}
	keyholders, err := readCommittee(cfg)
	if err != nil {
		return nil, err
	}
	src := s.merge(cfg, keyholders)
	s.metrics.follow(reg, s.waiters.Status, s.connected.Load)
	err = s.listen(cfg, reg, api.New(api.Deps{
		Waiters: s.waiters, Notices: s.notices, Source: src, NextTimeout: cfg.NextTimeout, Connected: s.connected.Load,
		Waiting: s.watch.Last,
	}))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// readCommittee reads the committee; nil when there is none.
func readCommittee(cfg Config) (*committee.Committee, error) {
	if cfg.CommitteeFile == "" {
		return nil, nil
	}
	return committee.Read(cfg.CommitteeFile)
}

// merge connects the merge with what feeds it and what it needs done.
func (s *Service) merge(cfg Config, keyholders *committee.Committee) source.Config {
	src := source.Config{
		DSN: dsnv1.NewSequencerServiceClient(s.dsn), Connected: s.dsnChanged, Log: s.log,
		CallTimeout: cfg.CallTimeout, Retry: retryPolicy,
	}
	checker := proof.New(keyholders, func(ctx context.Context, number uint64) (*preblockv1.Preblock, error) {
		return source.Fetch(ctx, src, number)
	})
	src.Check = measuredCheck{Check: checker, seconds: s.metrics.checks}
	s.notices = notices.New(s.rdb, s.log)
	s.conflict = conflict.New(s.rdb, s.log)
	s.waiters = waiters.New(merge.DefaultLimits(), waiters.Actions{
		Fetch:  func(number uint64) { s.fetcher.Want(number) },
		LookUp: s.notices.LookUp,
		Alarm: func(h merge.Halted) {
			s.health.Set("preblocks", fmt.Sprintf("halted: the DSN showed two contents for number %d", h.Number))
			s.conflict.Alarm(h)
		},
		Dropped:       s.dropped,
		Contradiction: s.contradicted,
		Refused:       func(err error) { s.log.Error("the merge refused an event", "error", err) },
	})
	src.Sink = s.waiters
	s.notices.Follow(s.waiters)
	s.stream, s.fetcher, s.watch = source.NewStream(src), source.NewFetcher(src), source.NewWatch(src, s.dsnWaits)
	return src
}

func (s *Service) listen(cfg Config, reg *prometheus.Registry, a *api.Service) (err error) {
	listener, err := net.Listen("tcp", cfg.GRPCAddress)
	if err != nil {
		return fmt.Errorf("serve grpc: %w", err)
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{
		Listener: listener, TLS: cfg.TLS, Health: s.health, Registry: reg, Log: s.log, Errors: statusCodes(),
	})
	if err == nil {
		preblockv1.RegisterMonitorServiceServer(s.grpc.Registrar(), a)
		s.ops, err = ops.NewServer(cfg.HTTPAddress, s.health, reg)
	}
	if err != nil {
		_ = listener.Close() // the first error is the one to tell
	}
	return err
}

func statusCodes() map[error]codes.Code {
	return map[error]codes.Code{
		requestid.ErrInvalid:   codes.InvalidArgument,
		api.ErrBadRequest:      codes.InvalidArgument,
		notices.ErrOtherReason: codes.AlreadyExists,
		notices.ErrNotEnding:   codes.FailedPrecondition,
		notices.ErrUnavailable: codes.Unavailable,
		merge.ErrHalted:        codes.FailedPrecondition,
		merge.ErrStopping:      codes.Unavailable,
		merge.ErrForged:        codes.Unavailable,
	}
}

func (s *Service) dsnChanged(err error) {
	s.connected.Store(err == nil)
	if err == nil {
		s.health.Set("dsn", "")
		return
	}
	s.metrics.breaks.Inc()
	s.health.Set("dsn", err.Error())
}

// dsnWaits is a note, no reason to be sent nothing: this replica answers for the preblocks there are, and its callers wait
// for the next one wherever they ask.
func (s *Service) dsnWaits(reason string) {
	s.health.Note("production", reason)
	if reason != "" {
		s.log.Warn("the DSN can fix no preblock", "reason", reason)
		return
	}
	s.log.Info("nothing keeps the DSN from fixing preblocks")
}

func (s *Service) dropped(d merge.Dropped) {
	s.metrics.dropped.WithLabelValues(d.Why).Inc()
	s.log.Debug("dropped", "why", d.Why, "number", d.Number, "request_id", d.RequestID)
}

func (s *Service) contradicted(c merge.Contradiction) {
	s.metrics.contradictions.Inc()
	s.log.Error("a preblock came for a request that was told there is none", "number", c.Number, "request_id", c.RequestID)
}

// Addresses are where the replica listens.
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.ops.Addr() }

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once.
//
//	DSN stream ──┐
//	DSN fetches ─┼─▶ merge ─┬─▶ Next: one event for one caller
//	notices ─────┘          ├─▶ StreamPreblocks
//	(Redis)                 └─▶ conflict
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	g.Add("conflict", s.conflict.Run)
	g.Add("notice lookups", s.notices.Run)
	g.Add("notices", s.notices.Watch)
	g.Add("fetcher", s.fetcher.Run)
	g.Add("dsn stream", s.stream.Run)
	g.Add("dsn watch", s.watch.Run)
	g.Add("grpc", s.grpc.Run)
	g.Add("readiness", s.ready)
	grpc, http := s.Addresses()
	s.log.InfoContext(ctx, "monitor ready", "grpc", grpc, "http", http)
	return g.Run(ctx)
}

// ready is stopped first: nothing new is sent here while the rest stops, and nobody waits for what will not come.
func (s *Service) ready(ctx context.Context) error {
	<-ctx.Done()
	s.health.Set("service", "stopping")
	s.waiters.Do(merge.Stopped{})
	return nil
}

func (s *Service) close() {
	if s.dsn != nil {
		if err := s.dsn.Close(); err != nil {
			s.log.Warn("close the connection to the DSN", "error", err)
		}
	}
	if s.rdb != nil {
		if err := s.rdb.Close(); err != nil {
			s.log.Warn("close redis", "error", err)
		}
	}
}
