// Package sequencer is the DSN's sequencer as a service: it fixes one content for each blueprint number and streams
// what it fixed. This file shows what it consists of.
package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"blindseq/dsn-node/sequencer/internal/api"
	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/internal/upstream"
	"blindseq/kit/grpckit"
	"blindseq/kit/ops"
	"blindseq/kit/service"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Run runs a sequencer until ctx ends or its log fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	s, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Service is a sequencer that listens and whose log is open.
type Service struct {
	health   *ops.Health
	core     *core.Core
	rounds   *keyholderRounds // nil without keyholders
	ops      *ops.Server
	grpc     *grpckit.Server
	upstream *upstream.Server
	log      *slog.Logger
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Service, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := newMetrics(reg)

	s := &Service{health: ops.NewHealth(), log: log}
	o := core.Options{
		Dir:             cfg.DataDir,
		First:           cfg.FirstNumber,
		PreblockTime:    time.Duration(cfg.PreblockTime),
		MaxContentBytes: cfg.MaxContentBytes,
		MaxSubscribers:  cfg.MaxSubscribers,
		OnAppend:        m.appended,
		Log:             log,
	}
	if err := s.open(ctx, cfg, o, reg); err != nil {
		return nil, err
	}
	m.follow(reg, s.core)
	if err := s.listen(ctx, cfg, reg, counted{s.core, m, s.rounds}); err != nil {
		return nil, errors.Join(err, s.core.Close(), s.rounds.close())
	}
	return s, nil
}

// open opens the core, and what its rounds need when there are keyholders.
func (s *Service) open(ctx context.Context, cfg Config, o core.Options, reg *prometheus.Registry) (err error) {
	if len(cfg.Keyholders) > 0 {
		if s.rounds, err = newRounds(cfg, s.health, reg, s.log); err != nil {
			return err
		}
		o.Rounds, o.First = s.rounds, s.rounds.First()
	}
	if s.core, err = core.Open(ctx, o); err != nil {
		return errors.Join(err, s.rounds.close())
	}
	s.rounds.over(s.core)
	return nil
}

func (s *Service) listen(ctx context.Context, cfg Config, reg *prometheus.Registry, c counted) (err error) {
	s.upstream, err = upstream.NewServer(ctx, upstream.Options{
		Address: cfg.RPCAddress, Core: c, MaxContentBytes: cfg.MaxContentBytes, Log: s.log,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.GRPCAddress)
	if err != nil {
		return errors.Join(fmt.Errorf("serve grpc: %w", err), s.upstream.Close())
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{
		Listener: listener, TLS: cfg.TLS, Health: s.health, Registry: reg, Log: s.log, Errors: api.Errors(),
	})
	if err == nil {
		dsnv1.RegisterSequencerServiceServer(s.grpc.Registrar(), api.New(c))
		s.ops, err = ops.NewServer(cfg.HTTPAddress, s.health, reg)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), s.upstream.Close())
	}
	return nil
}

// Addresses are where the service listens.
func (s *Service) Addresses() (grpc, rpc, http string) {
	return s.grpc.Addr(), s.upstream.Addr(), s.ops.Addr()
}

// Run runs the service until ctx ends or its log fails, and closes everything. It runs once.
//
//	gRPC ─────────┐                     ┌─▶ keyholders
//	              ├─▶ core (order, logs) ─▶ rounds
//	upstream HTTP ┘        └─▶ subscriptions ─▶ both protocols' streams
func (s *Service) Run(ctx context.Context) error {
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	if s.rounds != nil {
		g.Add("keyholders", s.rounds.run)
	}
	g.Add("core", s.runCore)
	g.Add("grpc", s.grpc.Run)
	g.Add("upstream http", s.upstream.Run)
	g.Add("readiness", s.ready)
	grpc, rpc, http := s.Addresses()
	s.log.InfoContext(ctx, "sequencer ready", "last_number", s.core.Last(), "grpc", grpc, "rpc", rpc, "http", http)
	return g.Run(ctx)
}

func (s *Service) runCore(ctx context.Context) error {
	err := s.core.Run(ctx)
	if err != nil {
		s.health.Fail("log", err.Error())
	}
	return err
}

// ready is stopped first, so that nothing new is sent here while the rest stops.
func (s *Service) ready(ctx context.Context) error {
	<-ctx.Done()
	s.health.Set("service", "stopping")
	return nil
}
