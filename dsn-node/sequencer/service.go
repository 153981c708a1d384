// Package sequencer is the DSN's sequencer as a service: it fixes one content for each blueprint number and streams
// what it fixed. This file shows what it consists of.
package sequencer

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/sequencer/internal/api"
	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/internal/originhttp"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/roles"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
)

// Run runs a sequencer until ctx ends or its log fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return host.Start(ctx, cfg, log, New)
}

// Service is a sequencer that listens and whose log is open.
type Service struct {
	*host.Host
	core   *core.Core
	rounds *keyholderRounds // nil without keyholders
	grpc   *grpckit.Server
	origin *originhttp.Server // nil when the origin's protocol is off
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log)}
	defer s.CloseOn(&err)
	m := newMetrics(s.Registry)
	if err := s.open(ctx, cfg, m); err != nil {
		return nil, err
	}
	m.follow(s.Registry, s.core)
	if err := s.listen(ctx, cfg, counted{s.core, m, s.rounds}); err != nil {
		return nil, err
	}
	if s.rounds != nil {
		s.Add("keyholders", s.rounds.run)
	}
	s.Add("core", s.runCore)
	s.Add("grpc", s.grpc.Run)
	if s.origin != nil {
		s.Add("origin http", s.origin.Run)
	}
	return s, nil
}

// open opens the core, and what its rounds need when there are keyholders.
func (s *Service) open(ctx context.Context, cfg Config, m *metrics) (err error) {
	o := core.Options{
		Dir:             cfg.DataDir,
		First:           cfg.FirstNumber,
		PreblockTime:    time.Duration(cfg.PreblockTime),
		MaxContentBytes: cfg.MaxContentBytes,
		MaxSubscribers:  cfg.MaxSubscribers,
		Now:             cfg.Clock.Bound,
		MaxAhead:        cfg.maxAhead(),
		Rules:           ordered.Keyless{},
		OnAppend:        m.appended,
		Log:             s.Log,
	}
	if len(cfg.Keyholders) > 0 {
		if s.rounds, err = newRounds(cfg, s.Host); err != nil {
			return err
		}
		o.Rounds, o.Rules, o.First = s.rounds, s.rounds.rules, s.rounds.First()
	}
	s.core, err = host.Open(s.Host, "log of proposals", func() (*core.Core, error) { return core.Open(ctx, o) })
	s.rounds.over(s.core)
	return err
}

func (s *Service) listen(ctx context.Context, cfg Config, c counted) (err error) {
	if cfg.RPCAddress != "" {
		certificates, err := s.Door("origin http", cfg.RPCAddress)
		if err != nil {
			return err
		}
		s.origin, err = host.Open(s.Host, "origin http", func() (*originhttp.Server, error) {
			return originhttp.NewServer(ctx, originhttp.Options{
				Address: cfg.RPCAddress, TokenFile: cfg.OriginTokenFile, Core: c, MaxContentBytes: cfg.MaxContentBytes,
				TLS: certificates.Server("http/1.1"), Guard: s.guardOrigin, Refused: c.m.forbidden, Log: s.Log,
			})
		})
		if err != nil {
			return err
		}
	}
	if s.grpc, err = s.GRPC(grpckit.ServerConfig{Errors: api.Errors()}); err != nil {
		return err
	}
	dsnv1.RegisterSequencerServiceServer(s.grpc.Registrar(), api.New(c))
	return s.Ops()
}

func (s *Service) guardOrigin(next http.Handler) http.Handler {
	return s.GuardHTTP(func(*http.Request) string { return roles.SequencerOrigin }, next)
}

// Addresses are where the service listens; rpc is empty when the origin's protocol is off.
func (s *Service) Addresses() (grpc, rpc, http string) {
	if s.origin != nil {
		rpc = s.origin.Addr()
	}
	return s.grpc.Addr(), rpc, s.OpsAddr()
}

// Run runs the service until ctx ends or its log fails, and closes everything. It runs once.
//
//	gRPC ─────────┐                     ┌─▶ keyholders
//	              ├─▶ core (order, logs) ─▶ rounds
//	origin's HTTP ┘        └─▶ subscriptions ─▶ both protocols' streams
func (s *Service) Run(ctx context.Context) error {
	grpc, rpc, http := s.Addresses()
	s.Log.InfoContext(ctx, "sequencer ready", "last_number", s.core.Last(), "grpc", grpc, "rpc", rpc, "http", http)
	return s.Host.Run(ctx)
}

func (s *Service) runCore(ctx context.Context) error {
	err := s.core.Run(ctx)
	if err != nil {
		s.Health.Fail("log", err.Error())
	}
	return err
}
