// Package keyholder is one keyholder of the DSN as a service: it attests and locks the order, and gives decryption shares for what
// a quorum locked. This file shows what it consists of.
package keyholder

import (
	"context"
	"log/slog"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/keyholder/internal/api"
	"blindseq/dsn-node/keyholder/internal/voter"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"
)

// Run runs a keyholder until ctx ends or its log fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return host.Start(ctx, cfg, log, New)
}

// Service is a keyholder that listens and whose log is open.
type Service struct {
	*host.Host
	voter *voter.Voter
	grpc  *grpckit.Server
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log)}
	defer s.CloseOn(&err)
	m := newMetrics(s.Registry)
	o, err := keys(cfg)
	if err != nil {
		return nil, err
	}
	s.Defer("key share", func() error { o.Share.Erase(); return nil })
	o.Dir, o.OnAppend, o.OnStep, o.Now, o.Log = cfg.DataDir, m.appended, m.stepped, cfg.Clock.Bound, log
	s.voter, err = host.Open(s.Host, "logs of votes", func() (*voter.Voter, error) { return voter.Open(ctx, o) })
	if err != nil {
		return nil, err
	}
	m.follow(s.Registry, s.voter)
	if s.grpc, err = s.GRPC(grpckit.ServerConfig{Errors: api.Errors()}); err != nil {
		return nil, err
	}
	keyholderv1.RegisterKeyholderServiceServer(s.grpc.Registrar(), api.New(s.voter))
	if err := s.Ops(); err != nil {
		return nil, err
	}
	s.Add("voter", s.runVoter)
	s.Add("grpc", s.grpc.Run)
	return s, nil
}

// keys reads the committee and the keyholder's own keys.
func keys(cfg Config) (o voter.Options, err error) {
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

// Addresses are where the service listens.
func (s *Service) Addresses() (grpc, http string) { return s.grpc.Addr(), s.OpsAddr() }

// Run runs the service until ctx ends or its log fails, and closes everything. It runs once.
//
//	gRPC ──▶ voter (logs of votes, rules of contents, key share)
func (s *Service) Run(ctx context.Context) error {
	grpc, http := s.Addresses()
	st := s.voter.Status()
	s.Log.InfoContext(ctx, "keyholder ready", "authority", st.Authority, "address", st.Address, "committee", st.Committee,
		"last_number", st.Last, "signs_from", st.SignsFrom, "grpc", grpc, "http", http)
	return s.Host.Run(ctx)
}

func (s *Service) runVoter(ctx context.Context) error {
	err := s.voter.Run(ctx)
	if err != nil {
		s.Health.Fail("log", err.Error())
	}
	return err
}
