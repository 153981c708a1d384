// Package monitor is monitor-svc: it merges the DSN's preblocks with the notices that there is none into one event for
// each proposal request. Any number of replicas run, and all serve. This file shows the components of a replica and how they
// are connected.
package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/requestid"
	"blindseq/kit/retry"
	"blindseq/kit/roles"
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

	"google.golang.org/grpc/codes"
)

// retryPolicy paces the attempts to reach the DSN. The longest pause is short: nothing else can continue meanwhile.
var retryPolicy = retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}

// Run runs a replica until ctx ends or a component fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return host.Start(ctx, cfg, log, New)
}

// Service is a replica that listens and does not serve yet.
type Service struct {
	*host.Host
	metrics   *metrics
	connected atomic.Bool
	grpc      *grpckit.Server
	waiters   *waiters.Registry
	notices   *notices.Notices
	conflict  *conflict.Recorder
	stream    *source.Stream
	fetcher   *source.Fetcher
	watch     *source.Watch
}

// New builds a replica. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log)}
	defer s.CloseOn(&err)
	s.metrics = newMetrics(s.Registry)
	s.Health.Set("dsn", "not connected yet")
	rdb, err := host.Redis(s.Host)
	if err != nil {
		return nil, err
	}
	dsn, err := s.Dial(cfg.DSN, roles.Sequencer)
	if err != nil {
		return nil, err
	}
	keyholders, err := readCommittee(cfg)
	if err != nil {
		return nil, err
	}
	s.notices = notices.New(rdb, log)
	s.conflict = conflict.New(rdb, log)
	sequencer := dsnv1.NewSequencerServiceClient(dsn)
	src, checker := s.merge(sequencer, cfg, keyholders)
	s.metrics.follow(s.Registry, s.waiters.Status, s.connected.Load)
	if s.grpc, err = s.GRPC(grpckit.ServerConfig{Errors: statusCodes()}); err != nil {
		return nil, err
	}
	deps := api.Deps{
		Waiters: s.waiters, Notices: s.notices, Source: src, NextTimeout: cfg.NextTimeout, Connected: s.connected.Load,
		Waiting: s.watch.Last, Finals: sequencer,
	}
	if checker.Committed() {
		deps.CheckFinal = checker.CheckFinal
	}
	preblockv1.RegisterMonitorServiceServer(s.grpc.Registrar(), api.New(deps))
	s.addComponents()
	s.Add("reach", func(ctx context.Context) error {
		return fitness.Reaches(ctx, s.Health, fitness.Reach("sequencer", dsn))
	})
	return s, s.Ops()
}

func (s *Service) addComponents() {
	s.Add("conflict", s.conflict.Run)
	s.Add("notice lookups", s.notices.Run)
	s.Add("notices", s.notices.Watch)
	s.Add("fetcher", s.fetcher.Run)
	s.Add("dsn stream", s.stream.Run)
	s.Add("dsn watch", s.watch.Run)
	s.Add("grpc", s.grpc.Run)
	s.OnStop(func() { s.waiters.Do(merge.Stopped{}) }) // no preblock comes any more
}

// readCommittee reads the committee; nil when there is none.
func readCommittee(cfg Config) (*committee.Committee, error) {
	if cfg.CommitteeFile == "" {
		return nil, nil
	}
	return committee.Read(cfg.CommitteeFile)
}

// merge connects the merge with what feeds it and what it needs done.
func (s *Service) merge(dsn source.DSN, cfg Config, keyholders *committee.Committee) (source.Config, *proof.Checker) {
	src := source.Config{
		DSN: dsn, Connected: s.dsnChanged, Log: s.Log,
		CallTimeout: cfg.CallTimeout, Retry: retryPolicy,
	}
	checker := proof.New(keyholders, func(ctx context.Context, number uint64) (*preblockv1.Preblock, error) {
		return source.Fetch(ctx, src, number)
	})
	src.Check = measuredCheck{Check: checker, seconds: s.metrics.checks}
	s.waiters = waiters.New(merge.DefaultLimits(), waiters.Actions{
		Fetch:  func(number uint64) { s.fetcher.Want(number) },
		LookUp: s.notices.LookUp,
		Alarm: func(h merge.Halted) {
			s.Health.Set("preblocks", fmt.Sprintf("halted: the DSN showed two preblocks for number %d", h.Number))
			s.conflict.Alarm(h)
		},
		Dropped:       s.dropped,
		Contradiction: s.contradicted,
		Refused:       func(err error) { s.Log.Error("the merge refused an event", "error", err) },
	})
	src.Sink = s.waiters
	s.notices.Follow(s.waiters)
	s.stream, s.fetcher, s.watch = source.NewStream(src), source.NewFetcher(src), source.NewWatch(src, s.dsnWaits)
	return src, checker
}

func statusCodes() map[error]codes.Code {
	return map[error]codes.Code{
		requestid.ErrInvalid:   codes.InvalidArgument,
		api.ErrBadRequest:      codes.InvalidArgument,
		api.ErrNoCommittee:     codes.Unimplemented,
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
		s.Health.Set("dsn", "")
		return
	}
	s.metrics.breaks.Inc()
	s.Health.Set("dsn", err.Error())
}

// dsnWaits notes why the DSN fixes nothing. The replica stays ready: it answers for the preblocks there are, and callers wait
// for the next one wherever they ask.
func (s *Service) dsnWaits(reason string) {
	s.Health.Note("production", reason)
	if reason != "" {
		s.Log.Warn("the DSN can fix no preblock", "reason", reason)
		return
	}
	s.Log.Info("the DSN can fix preblocks again")
}

func (s *Service) dropped(d merge.Dropped) {
	s.metrics.dropped.WithLabelValues(d.Why).Inc()
	s.Log.Debug("dropped", "why", d.Why, "number", d.Number, "request_id", d.RequestID)
}

func (s *Service) contradicted(c merge.Contradiction) {
	s.metrics.contradictions.Inc()
	s.Log.Error("preblock received for a request that had ended without one", "number", c.Number, "request_id", c.RequestID)
}

// Addresses are where the replica listens.
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.OpsAddr() }

// Run runs the replica until ctx ends or a component fails, and closes everything. It runs once.
//
//	DSN stream ──┐
//	DSN fetches ─┼─▶ merge ─┬─▶ Next: one event for one caller
//	notices ─────┘          ├─▶ StreamPreblocks
//	(Redis)                 └─▶ conflict
func (s *Service) Run(ctx context.Context) error {
	grpc, http := s.Addresses()
	s.Log.InfoContext(ctx, "monitor ready", "grpc", grpc, "http", http)
	return s.Host.Run(ctx)
}
