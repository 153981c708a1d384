// Package keyholder is one keyholder of the DSN as a service: it attests the order and gives decryption shares for what a
// quorum attested. This file shows what it consists of.
package keyholder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/keyholder/internal/api"
	"blindseq/dsn-node/keyholder/internal/holder"
	"blindseq/kit/grpckit"
	"blindseq/kit/ops"
	"blindseq/kit/service"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Run runs a keyholder until ctx ends or its log fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	s, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Service is a keyholder that listens and whose log is open.
type Service struct {
	health *ops.Health
	holder *holder.Holder
	ops    *ops.Server
	grpc   *grpckit.Server
	erase  func() // overwrites the secret share
	log    *slog.Logger
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Service, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := newMetrics(reg)
	o, err := keys(cfg)
	if err != nil {
		return nil, err
	}
	o.Dir, o.OnAppend, o.OnStep, o.Log = cfg.DataDir, m.appended, m.stepped, log
	h, err := holder.Open(ctx, o)
	if err != nil {
		o.Share.Erase()
		return nil, err
	}
	m.follow(reg, h)
	s := &Service{health: ops.NewHealth(), holder: h, erase: o.Share.Erase, log: log}
	if err := s.listen(ctx, cfg, reg); err != nil {
		o.Share.Erase()
		return nil, errors.Join(err, h.Close())
	}
	return s, nil
}

// keys reads the committee and the keyholder's own keys.
func keys(cfg Config) (o holder.Options, err error) {
	if o.Committee, err = committee.Read(cfg.CommitteeFile); err != nil {
		return o, err
	}
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return o, err
	}
	if o.Key, err = identity.Read(cfg.IdentityFile, passphrase); err != nil {
		return o, err
	}
	o.Share, err = keyfile.ReadShare(cfg.ShareFile, passphrase)
	return o, err
}

func (s *Service) listen(ctx context.Context, cfg Config, reg *prometheus.Registry) (err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.GRPCAddress)
	if err != nil {
		return fmt.Errorf("serve grpc: %w", err)
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{
		Listener: listener, TLS: cfg.TLS, Health: s.health, Registry: reg, Log: s.log, Errors: api.Errors(),
	})
	if err == nil {
		keyholderv1.RegisterKeyholderServiceServer(s.grpc.Registrar(), api.New(s.holder))
		s.ops, err = ops.NewServer(cfg.HTTPAddress, s.health, reg)
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return nil
}

// Addresses are where the service listens.
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.ops.Addr() }

// Run runs the service until ctx ends or its log fails, and closes everything. It runs once.
//
//	gRPC ──▶ holder (log of attestations, stop list, key share)
func (s *Service) Run(ctx context.Context) error {
	defer s.erase()
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	g.Add("holder", s.runHolder)
	g.Add("grpc", s.grpc.Run)
	g.Add("readiness", s.ready)
	grpc, http := s.Addresses()
	st := s.holder.Status()
	s.log.InfoContext(ctx, "keyholder ready", "authority", st.Authority, "address", st.Address, "committee", st.Committee,
		"last_number", st.Last, "grpc", grpc, "http", http)
	return g.Run(ctx)
}

func (s *Service) runHolder(ctx context.Context) error {
	err := s.holder.Run(ctx)
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
