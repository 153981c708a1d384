package devnet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	apigw "blindseq/api-gw"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/clock"
	"blindseq/kit/config"
	"blindseq/kit/host"
	"blindseq/kit/rediskeys"
	"blindseq/kit/roles"
	monitor "blindseq/monitor-svc"
	producer "blindseq/producer-svc"
	proposer "blindseq/proposer-svc"
)

// Run runs the devnet until ctx ends, and prints the banner and the blocks to out.
func Run(ctx context.Context, cfg Config, out io.Writer, log *slog.Logger) error {
	d, err := start(ctx, cfg, out, log)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// start makes the services, and the console that follows them. On an error nothing is left open.
//
//	redis ◀── all of them
//	keyholders ◀─▶ dsn ─▶ monitor ─▶ producer ◀─▶ proposer ─▶ dsn
//	bundler ─▶ api-gw ─▶ producer, proposer, monitor
//	bundler ─▶ observer ─▶ monitor
func start(ctx context.Context, cfg Config, out io.Writer, log *slog.Logger) (_ *devnet, err error) {
	d := &devnet{Host: host.New(ctx, &config.Common{}, log), cfg: cfg, redisURL: cfg.RedisURL}
	defer d.CloseOn(&err)
	chainID, err := d.chainID()
	if err != nil {
		return nil, err
	}
	d.deployment = rediskeys.OfChain(chainID)
	if d.development, err = producer.IsDevelopment(cfg.Genesis); err != nil {
		return nil, err
	}
	if d.clock, err = openClock(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := d.build(ctx); err != nil {
		return nil, err
	}
	gateway, err := d.Dial(d.gateway, roles.Gateway)
	if err != nil {
		return nil, err
	}
	d.Add("console", newConsole(d, gateway, out).run)
	return d, nil
}

// openClock opens the clock of a data directory, which it makes if there is none.
func openClock(dataDir string) (*clock.Clock, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	return clock.Open(filepath.Join(dataDir, "clock.json"))
}

type devnet struct {
	*host.Host
	cfg        Config
	redisURL   string
	deployment string

	development bool         // the funded accounts are those that everybody knows
	clock       *clock.Clock // of the blocks' timestamps, which a developer may move

	keys       *keygen.Files // nil without keyholders
	keyholders []string      // gRPC addresses, by authority

	dsn      string // gRPC addresses
	monitor  string
	proposer string
	gateway  string
	observer string // URL of its JSON-RPC
	urls     urls
}

// build starts the services in the order in which they need each other's addresses. Nobody needs the producer's: its lease
// names it.
func (d *devnet) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.addRedis, d.addKeyholders, d.addSequencer, d.addMonitor, d.addProposer, d.addProducer, d.addGateway, d.addObserver, d.addBundler,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *devnet) addRedis(context.Context) error {
	if d.redisURL != "" {
		return nil
	}
	r, err := host.Open(d.Host, "embedded redis", startRedis)
	if err != nil {
		return err
	}
	d.redisURL = r.url()
	return nil
}

// part is one service of the devnet.
type part interface {
	Run(ctx context.Context) error
	Close() error
}

// add starts a service as a step of the devnet's start, and adds it as a component. Its config has its defaults and what all
// services of the devnet share, and then what configure sets. Services listen on any free port, because only those of the
// gateway and the bundler are public.
func add[C any, P part, S interface {
	*C
	config.Service
}](ctx context.Context, d *devnet, name string, start func(context.Context, C, *slog.Logger) (P, error), configure func(S)) (P, error) {
	p, err := host.Open(d.Host, name, func() (P, error) {
		cfg := S(new(C))
		if err := config.Defaults(cfg); err != nil {
			return *new(P), err
		}
		common := cfg.Base()
		common.GRPCAddress, common.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
		common.RedisURL, common.Deployment = d.redisURL, d.deployment
		configure(cfg)
		p, err := start(ctx, *cfg, d.Log.With("part", name))
		if err != nil {
			err = fmt.Errorf("start %s: %w", name, err)
		}
		return p, err
	})
	if err == nil {
		d.Add(name, p.Run)
	}
	return p, err
}

func (d *devnet) addSequencer(ctx context.Context) error {
	s, err := add(ctx, d, "dsn-node", sequencer.New, func(cfg *sequencer.Config) {
		cfg.DataDir, cfg.RPCAddress, cfg.PreblockTime = filepath.Join(d.cfg.DataDir, "dsn"), "127.0.0.1:0", d.cfg.PreblockTime
		cfg.Keyholders, cfg.CommitteeFile = d.keyholders, d.committee()
		cfg.Clock = d.clock
		if d.keys != nil {
			cfg.IdentityFile = d.keys.Sequencer
		}
	})
	if err == nil {
		d.dsn, _, _ = s.Addresses()
	}
	return err
}

func (d *devnet) addMonitor(ctx context.Context) error {
	s, err := add(ctx, d, "monitor-svc", monitor.New, func(cfg *monitor.Config) {
		cfg.DSN, cfg.CommitteeFile = d.dsn, d.committee()
	})
	if err == nil {
		d.monitor, _ = s.Addresses()
	}
	return err
}

func (d *devnet) addProposer(ctx context.Context) error {
	s, err := add(ctx, d, "proposer-svc", proposer.New, func(cfg *proposer.Config) {
		cfg.DSN, cfg.Monitor = d.dsn, d.monitor
		cfg.ProcessedTTL = time.Minute // the embedded Redis has them in this process; nobody asks again after longer
	})
	if err == nil {
		d.proposer, _ = s.Addresses()
	}
	return err
}

func (d *devnet) addProducer(ctx context.Context) error {
	producer.LogTo(d.Log.With("part", "producer-svc"))
	_, err := add(ctx, d, "producer-svc", producer.New, func(cfg *producer.Config) {
		cfg.Monitor, cfg.Proposer = d.monitor, d.proposer
		cfg.DataDir, cfg.RPCAddress = filepath.Join(d.cfg.DataDir, "producer"), "127.0.0.1:0"
		cfg.History = d.cfg.History
		cfg.Genesis, cfg.DevGenesis, cfg.TimeBetweenBlocks, cfg.CommitteeFile = d.cfg.Genesis, true, d.cfg.TimeBetweenBlocks, d.committee()
		cfg.Development, cfg.Clock = d.development, d.clock
	})
	return err
}

func (d *devnet) addGateway(ctx context.Context) error {
	s, err := add(ctx, d, "api-gw", apigw.New, func(cfg *apigw.Config) {
		cfg.RESTAddress, cfg.RPCAddress = d.cfg.RESTAddress, d.cfg.RPCAddress
		cfg.Proposer, cfg.Monitor, cfg.PageFaucet = d.proposer, d.monitor, d.cfg.Genesis == ""
	})
	if err == nil {
		d.gateway, d.urls = s.GRPCAddr(), urls{rest: s.RESTAddr(), rpc: s.RPCAddr()}
	}
	return err
}
