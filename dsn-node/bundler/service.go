// Package bundler lets plain wallets send sealed transactions, as a service: Ethereum JSON-RPC in front of the rollup that
// seals what wallets send. This file shows what it consists of.
//
// A wallet trusts its bundler, which sees the plain transaction before its place is fixed. A wallet that does not seals by
// itself (dsn-node seal). What is on the bundler's disk is encrypted with its identity key: see package outbox.
package bundler

import (
	"context"
	"crypto/ecdsa"
	"log/slog"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/bundler/internal/walletrpc"
	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Run runs a bundler until ctx ends or its disk fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return host.Start(ctx, cfg, log, New)
}

// Service is a bundler that listens and whose outbox is open.
type Service struct {
	*host.Host
	box       *outbox.Box
	rpc       *walletrpc.Server
	submitter common.Address
	chain     uint64
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Service, err error) {
	s := &Service{Host: host.New(ctx, &cfg.Common, log)}
	defer s.CloseOn(&err)
	c, err := committee.Read(cfg.CommitteeFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(cfg)
	if err != nil {
		return nil, err
	}
	s.submitter, s.chain = crypto.PubkeyToAddress(key.PublicKey), c.ChainID
	node, err := s.node(ctx, cfg.RollupRPC)
	if err != nil {
		return nil, err
	}
	to := walletrpc.Backends{Rollup: node, RefuseSimulations: cfg.Simulations == "refuse"}
	if cfg.SimulationsRPC != "" {
		if to.Simulations, err = s.node(ctx, cfg.SimulationsRPC); err != nil {
			return nil, err
		}
	}
	if s.box, err = host.Open(s.Host, "outbox", func() (*outbox.Box, error) { return outbox.Open(cfg.DataDir, cfg.MaxPending, key) }); err != nil {
		return nil, err
	}
	m := newMetrics(s.Registry)
	m.follow(s.Registry, s.box)
	o := bundling.Options{
		Committee: c, Key: key, Box: s.box, Rollup: node,
		AcceptTimeout: cfg.AcceptTimeout, MaxAge: cfg.MaxAge, Recorder: m, Log: log,
	}
	s.Health.Set("rollup", "not asked yet")
	watcher := bundling.NewWatcher(o, func(reason string) { s.Health.Set("rollup", reason) })
	limits := walletrpc.Limits{Body: cfg.BodyLimit, Batch: cfg.BatchLimit, Timeout: cfg.RPCTimeout}
	grpc, err := s.listen(ctx, cfg, walletrpc.NewHandler(bundling.NewIntake(o), to, limits, m.count, log))
	if err != nil {
		return nil, err
	}
	s.Add("outbox", s.runBox)
	s.Add("watcher", watcher.Run)
	s.Add("json-rpc", s.rpc.Run)
	s.Add("grpc", grpc.Run)
	return s, nil
}

// node makes the client of a node of the rollup; nothing is sent yet.
func (s *Service) node(ctx context.Context, url string) (*rollup.Client, error) {
	return host.Open(s.Host, "client of a node", func() (*rollup.Client, error) { return rollup.New(ctx, url) })
}

func readKey(cfg Config) (*ecdsa.PrivateKey, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	key, err := identity.Read(cfg.IdentityFile, passphrase)
	if err != nil || cfg.Instance == "" {
		return key, err
	}
	return instanceKey(key, cfg.Instance)
}

// listen opens the listeners. Over gRPC there is health alone, as every service has it.
func (s *Service) listen(ctx context.Context, cfg Config, h *walletrpc.Handler) (grpc *grpckit.Server, err error) {
	s.rpc, err = host.Open(s.Host, "json-rpc", func() (*walletrpc.Server, error) {
		return walletrpc.NewServer(ctx, walletrpc.ServerOptions{
			Address: cfg.RPCAddress, Handler: h, Connections: cfg.MaxConns, Origins: cfg.CORSOrigins, Log: s.Log,
		})
	})
	if err != nil {
		return nil, err
	}
	if grpc, err = s.GRPC(grpckit.ServerConfig{}); err != nil {
		return nil, err
	}
	return grpc, s.Ops()
}

// Addresses are where the service listens.
func (s *Service) Addresses() (rpc, http string) { return s.rpc.Addr(), s.OpsAddr() }

// Run runs the service until ctx ends or its disk fails, and closes everything. It runs once.
//
//	wallet ──▶ JSON-RPC ──▶ intake (check, seal, outbox) ─── ──▶ rollup
//	               └──────────── everything else ───────────▶ rollup
//	                     watcher (outbox: look, hand in again) ──▶ rollup
func (s *Service) Run(ctx context.Context) error {
	rpc, http := s.Addresses()
	s.Log.InfoContext(ctx, "bundler ready", "chain", s.chain, "submitter", s.submitter, "pending", s.box.Len(), "rpc", rpc, "http", http)
	return s.Host.Run(ctx)
}

func (s *Service) runBox(ctx context.Context) error {
	err := s.box.Run(ctx)
	if err != nil {
		s.Health.Fail("outbox", err.Error())
	}
	return err
}
