// Package bundler lets plain wallets send sealed transactions, as a service: Ethereum JSON-RPC in front of the rollup that
// seals what wallets send. This file shows what it consists of.
//
// A wallet trusts its bundler, which sees the plain transaction before its place is fixed, and the bundler's observer, which sees
// who is about to send. The rollup's leader sees neither. A wallet that trusts no bundler seals by itself (dsn-node seal). What is on the bundler's disk is encrypted with its identity key: see package outbox.
package bundler

import (
	"context"
	"fmt"
	"log/slog"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/peers"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/bundler/internal/walletrpc"
	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/budget"
	"blindseq/kit/fitness"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/roles"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc"
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
	alone     bool // without an observer
	relay     bool // named by the committee
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
	s.alone, s.relay = cfg.ObserverRPC == "", c.IsRelay(s.submitter)
	n, err := s.connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if s.box, err = host.Open(s.Host, "outbox", func() (*outbox.Box, error) { return outbox.Open(cfg.DataDir, cfg.MaxPending, key) }); err != nil {
		return nil, err
	}
	m := newMetrics(s.Registry)
	m.follow(s.Registry, s.box)
	o := bundling.Options{
		Committee: c, Key: key, Box: s.box, Leader: n.leader, Observer: n.observer,
		AcceptTimeout: cfg.AcceptTimeout, MaxAge: cfg.MaxAge, Recorder: m, Log: log,
	}
	intake := bundling.NewIntake(o)
	watcher := bundling.NewWatcher(o, intake.Pool(), s.follow(cfg))
	limits := walletrpc.Limits{Body: cfg.BodyLimit, Batch: cfg.BatchLimit, Timeout: cfg.RPCTimeout, ReceiptHold: cfg.ReceiptHold}
	together, err := s.together(cfg, intake)
	if err != nil {
		return nil, err
	}
	var taking walletrpc.Intake = intake
	if together != nil {
		taking = together
		m.followPeers(s.Registry, together)
	}
	server, err := s.listen(ctx, cfg, walletrpc.NewHandler(taking, n.backends(cfg), limits, m.count, log))
	if err != nil {
		return nil, err
	}
	if together != nil {
		together.Register(server.Registrar(), walletrpc.ErrorOf)
		s.Add("peers", together.Run)
		s.Add("reach", func(ctx context.Context) error { return fitness.Reaches(ctx, s.Health, together.Reach()...) })
	}
	s.Add("outbox", s.runBox)
	s.Add("watcher", watcher.Run)
	s.Add("pool", intake.Pool().Run)
	s.Add("json-rpc", s.rpc.Run)
	s.Add("grpc", server.Run)
	return s, nil
}

// together makes this bundler one of several; nil when it is alone.
func (s *Service) together(cfg Config, intake *bundling.Intake) (*peers.Peers, error) {
	if len(cfg.Peers) == 0 {
		return nil, nil
	}
	list, err := peers.Parse(s.chain, cfg.peerName(), cfg.Peers, cfg.LeavingPeers)
	if err != nil {
		return nil, fmt.Errorf("--peers: %w", err)
	}
	return peers.New(peers.Options{
		List: list, Local: intake, Box: s.box, Timeout: cfg.AcceptTimeout, Log: s.Log,
		Dial: func(address string) (*grpc.ClientConn, error) { return s.Dial(address, roles.Bundler) },
	})
}

// nodes are those that are asked. Without an observer nobody is asked about senders.
type nodes struct {
	leader   rollup.Leader
	observer bundling.Observer
	forwards interface {
		walletrpc.Forwarder
		walletrpc.Subscriber
	} // to the observer; nil without one
}

// connect makes the clients of the nodes; nothing is sent yet.
func (s *Service) connect(ctx context.Context, cfg Config) (n nodes, err error) {
	apiKey, err := identity.ReadPassphrase(cfg.RollupKeyFile)
	if err != nil {
		return n, fmt.Errorf("--rollup-key-file: %w", err)
	}
	n.leader, err = host.Open(s.Host, "client of the rollup", func() (rollup.Leader, error) { return rollup.NewLeader(ctx, cfg.RollupRPC, string(apiKey)) })
	if err != nil || cfg.ObserverRPC == "" {
		n.observer = rollup.Alone{Leader: n.leader}
		return n, err
	}
	certificates, err := s.Certificates()
	if err != nil {
		return n, err
	}
	o, err := host.Open(s.Host, "client of the observer", func() (rollup.Observer, error) {
		return rollup.NewObserver(ctx, cfg.ObserverRPC, certificates)
	})
	n.observer, n.forwards = o, o
	return n, err
}

func (n nodes) backends(cfg Config) walletrpc.Backends {
	to := walletrpc.Backends{Leader: n.leader, RefuseSimulations: cfg.Simulations == "refuse"}
	if n.forwards != nil {
		to.Observer, to.Subscriber, to.Development = n.forwards, n.forwards, cfg.Development
	}
	return to
}

// follow makes the health of the nodes part of the service's.
func (s *Service) follow(cfg Config) bundling.Health {
	set := func(name string) func(string) {
		s.Health.Set(name, "not asked yet")
		return func(reason string) { s.Health.Set(name, reason) }
	}
	h := bundling.Health{Leader: set("rollup"), Observer: func(string) {}}
	if cfg.ObserverRPC != "" {
		h.Observer = set("observer")
	}
	return h
}

// listen opens the listeners. Over gRPC there is health, as every service has it, and what other bundlers ask.
func (s *Service) listen(ctx context.Context, cfg Config, h *walletrpc.Handler) (server *grpckit.Server, err error) {
	clients, err := budget.New(cfg.Flags, s.Registry, s.Log)
	if err != nil {
		return nil, err
	}
	s.rpc, err = host.Open(s.Host, "json-rpc", func() (*walletrpc.Server, error) {
		return walletrpc.NewServer(ctx, walletrpc.ServerOptions{
			Address: cfg.RPCAddress, Handler: h, Connections: cfg.MaxConns, Origins: cfg.CORSOrigins, Budget: clients, Log: s.Log,
		})
	})
	if err != nil {
		return nil, err
	}
	if server, err = s.GRPC(grpckit.ServerConfig{Errors: peers.Errors()}); err != nil {
		return nil, err
	}
	return server, s.Ops()
}

// Addresses are where the service listens.
func (s *Service) Addresses() (rpc, http string) { return s.rpc.Addr(), s.OpsAddr() }

// Run runs the service until ctx ends or its disk fails, and closes everything. It runs once.
//
//	wallet ──▶ JSON-RPC ──▶ intake (check by the observer, seal, outbox) ──▶ rollup
//	               │   (or that of the home among --peers)
//	               │        pool (outbox: check by the observer, seal) ────▶ rollup
//	               └────────────────── everything else ──────────────────▶ observer
//	           watcher (outbox: look by the observer, hand in again) ──────▶ rollup
func (s *Service) Run(ctx context.Context) error {
	rpc, http := s.Addresses()
	if s.alone {
		s.Log.WarnContext(ctx, "bundler has no observer and refuses plain transactions", "error", rollup.ErrNoObserver)
	}
	s.Log.InfoContext(ctx, "bundler ready", "chain", s.chain, "submitter", s.submitter, "relay", s.relay, "pending", s.box.Len(), "rpc", rpc, "http", http)
	return s.Host.Run(ctx)
}

func (s *Service) runBox(ctx context.Context) error {
	err := s.box.Run(ctx)
	if err != nil {
		s.Health.Fail("outbox", err.Error())
	}
	return err
}
