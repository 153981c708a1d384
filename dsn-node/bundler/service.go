// Package bundler lets plain wallets send encrypted transactions, as a service: Ethereum JSON-RPC in front of the rollup
// that encrypts what wallets send. This file shows what it consists of.
//
// A wallet trusts its bundler: it sees the plain transaction before its place is fixed. One that does not encrypts by
// itself (dsn-node encrypt). What is on the bundler's disk opens nothing: see package outbox.
package bundler

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/bundler/internal/walletrpc"
	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/grpckit"
	"blindseq/kit/ops"
	"blindseq/kit/service"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"
)

// Run runs a bundler until ctx ends or its disk fails.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	s, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Service is a bundler that listens and whose outbox is open.
type Service struct {
	health  *ops.Health
	box     *outbox.Box
	rollup  *rollup.Client
	nodes   []*rollup.Client // all of them
	watcher *bundling.Watcher
	ops     *ops.Server
	rpc     *walletrpc.Server
	grpc    *grpckit.Server // health alone, as every service has it
	signer  common.Address
	chain   uint64
	log     *slog.Logger
}

// New builds the service. On an error nothing is left open.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Service, error) {
	c, err := committee.Read(cfg.CommitteeFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(cfg)
	if err != nil {
		return nil, err
	}
	s := &Service{health: ops.NewHealth(), signer: crypto.PubkeyToAddress(key.PublicKey), chain: c.ChainID, log: log}
	to, err := s.connect(ctx, cfg)
	if err != nil {
		s.disconnect()
		return nil, err
	}
	if s.box, err = outbox.Open(cfg.DataDir, cfg.MaxPending); err != nil {
		s.disconnect()
		return nil, err
	}
	s.health.Set("rollup", "not asked yet")
	reg := ops.NewRegistry()
	m := newMetrics(reg)
	m.follow(reg, s.box)
	o := bundling.Options{
		Committee: c, Key: key, Box: s.box, Rollup: s.rollup,
		AcceptTimeout: cfg.AcceptTimeout, MaxAge: cfg.MaxAge, Recorder: m, Log: log,
	}
	s.watcher = bundling.NewWatcher(o, func(reason string) { s.health.Set("rollup", reason) })
	limits := walletrpc.Limits{Body: cfg.BodyLimit, Batch: cfg.BatchLimit, Timeout: cfg.RPCTimeout}
	if err := s.listen(ctx, cfg, walletrpc.NewHandler(bundling.NewDesk(o), to, limits, m.count, log), reg); err != nil {
		s.disconnect()
		return nil, errors.Join(err, s.box.Close())
	}
	return s, nil
}

// connect makes the clients of the rollup and of who simulates in its place; nothing is sent yet.
func (s *Service) connect(ctx context.Context, cfg Config) (to walletrpc.Upstreams, err error) {
	if s.rollup, err = rollup.New(ctx, cfg.RollupRPC); err != nil {
		return to, err
	}
	s.nodes = append(s.nodes, s.rollup)
	to = walletrpc.Upstreams{Rollup: s.rollup, RefuseSimulations: cfg.Simulations == "refuse"}
	if cfg.SimulationsRPC == "" {
		return to, nil
	}
	node, err := rollup.New(ctx, cfg.SimulationsRPC)
	if err != nil {
		return to, err
	}
	s.nodes, to.Simulations = append(s.nodes, node), node
	return to, nil
}

func (s *Service) disconnect() {
	for _, node := range s.nodes {
		node.Close()
	}
}

func readKey(cfg Config) (*ecdsa.PrivateKey, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	return identity.Read(cfg.IdentityFile, passphrase)
}

func (s *Service) listen(ctx context.Context, cfg Config, h *walletrpc.Handler, reg *prometheus.Registry) (err error) {
	s.rpc, err = walletrpc.NewServer(ctx, walletrpc.ServerOptions{
		Address: cfg.RPCAddress, Handler: h,
		Connections: cfg.MaxConns, Origins: cfg.CORSOrigins, Log: s.log,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.GRPCAddress)
	if err != nil {
		return errors.Join(fmt.Errorf("serve grpc: %w", err), s.rpc.Close())
	}
	s.grpc, err = grpckit.NewServer(grpckit.ServerConfig{Listener: listener, TLS: cfg.TLS, Health: s.health, Registry: reg, Log: s.log})
	if err == nil {
		s.ops, err = ops.NewServer(cfg.HTTPAddress, s.health, reg)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), s.rpc.Close())
	}
	return nil
}

// Addresses are where the service listens.
func (s *Service) Addresses() (rpc, http string) { return s.rpc.Addr(), s.ops.Addr() }

// Run runs the service until ctx ends or its disk fails, and closes everything. It runs once.
//
//	wallet ──▶ JSON-RPC ──▶ desk (check, encrypt, outbox) ──▶ rollup
//	               └──────────── everything else ───────────▶ rollup
//	                     watcher (outbox: look, send again) ──▶ rollup
func (s *Service) Run(ctx context.Context) error {
	defer s.disconnect()
	g := service.NewGroup(s.log)
	g.Add("health and metrics", s.ops.Run)
	g.Add("outbox", s.runBox)
	g.Add("watcher", s.watcher.Run)
	g.Add("json-rpc", s.rpc.Run)
	g.Add("grpc", s.grpc.Run)
	g.Add("readiness", s.ready)
	rpc, http := s.Addresses()
	s.log.InfoContext(ctx, "bundler ready", "chain", s.chain, "signer", s.signer, "pending", s.box.Len(), "rpc", rpc, "http", http)
	return errors.Join(g.Run(ctx), s.box.Close())
}

func (s *Service) runBox(ctx context.Context) error {
	err := s.box.Run(ctx)
	if err != nil {
		s.health.Fail("outbox", err.Error())
	}
	return err
}

// ready is stopped first, so that nothing new is sent here while the rest stops.
func (s *Service) ready(ctx context.Context) error {
	<-ctx.Done()
	s.health.Set("service", "stopping")
	return nil
}
