package devnet

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"

	apigw "blindseq/api-gw"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	"blindseq/kit/service"
	monitor "blindseq/monitor-svc"
	producer "blindseq/producer-svc"
	proposer "blindseq/proposer-svc"
)

// Run runs the devnet until ctx ends, and writes to out what its user is to see.
//
//	redis ◀── all of them
//	keyholders ◀─▶ dsn ─▶ monitor ─▶ producer ◀─▶ proposer ─▶ dsn
//	bundler ─▶ api-gw ─▶ producer, proposer, monitor
func Run(ctx context.Context, cfg Config, out io.Writer, log *slog.Logger) error {
	d := &devnet{cfg: cfg, log: log, group: service.NewGroup(log), redisURL: cfg.RedisURL}
	if err := d.build(ctx); err != nil {
		return err
	}
	console, err := newConsole(cfg, d.gateway, d.urls, out)
	if err != nil {
		return err
	}
	d.group.Add("console", console.run)
	return d.group.Run(ctx)
}

type devnet struct {
	cfg      Config
	log      *slog.Logger
	group    *service.Group
	redisURL string

	keys       *keygen.Files // nil without keyholders
	keyholders []string      // gRPC addresses, by authority

	dsn      string // gRPC addresses
	monitor  string
	proposer string
	gateway  string
	urls     urls
}

// build makes the services in the order in which they need each other's addresses. The producer needs no address to be
// found at: it is found through its lease.
func (d *devnet) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.addRedis, d.addKeyholders, d.addSequencer, d.addMonitor, d.addProposer, d.addProducer, d.addGateway, d.addBundler,
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
	url, run, err := startRedis()
	if err != nil {
		return err
	}
	d.redisURL = url
	d.group.Add("redis", run)
	return nil
}

// prepare fills a service's config with its defaults and with what all services of the devnet have in common. Ports
// are free ones: only the gateway's are for users.
func (d *devnet) prepare(cfg config.Service) error {
	if err := config.Defaults(cfg); err != nil {
		return err
	}
	common := cfg.Base()
	common.GRPCAddress, common.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
	common.RedisURL = d.redisURL
	return nil
}

func (d *devnet) logger(name string) *slog.Logger { return d.log.With("part", name) }

func (d *devnet) addSequencer(ctx context.Context) error {
	var cfg sequencer.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DataDir, cfg.RPCAddress, cfg.PreblockTime = filepath.Join(d.cfg.DataDir, "dsn"), "127.0.0.1:0", d.cfg.PreblockTime
	cfg.Keyholders, cfg.CommitteeFile = d.keyholders, d.committee()
	s, err := sequencer.New(ctx, cfg, d.logger("dsn-node"))
	if err != nil {
		return err
	}
	d.dsn, _, _ = s.Addresses()
	d.group.Add("dsn-node sequencer", s.Run)
	return nil
}

func (d *devnet) addMonitor(ctx context.Context) error {
	var cfg monitor.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DSN, cfg.CommitteeFile = d.dsn, d.committee()
	s, err := monitor.New(ctx, cfg, d.logger("monitor-svc"))
	if err != nil {
		return err
	}
	d.monitor, _ = s.Addresses()
	d.group.Add("monitor-svc", s.Run)
	return nil
}

func (d *devnet) addProposer(ctx context.Context) error {
	var cfg proposer.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DSN, cfg.Monitor = d.dsn, d.monitor
	s, err := proposer.New(ctx, cfg, d.logger("proposer-svc"))
	if err != nil {
		return err
	}
	d.proposer, _ = s.Addresses()
	d.group.Add("proposer-svc", s.Run)
	return nil
}

func (d *devnet) addProducer(ctx context.Context) error {
	var cfg producer.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.Monitor, cfg.Proposer = d.monitor, d.proposer
	cfg.DataDir, cfg.RPCAddress = filepath.Join(d.cfg.DataDir, "producer"), "127.0.0.1:0"
	cfg.Genesis, cfg.TimeBetweenBlocks, cfg.CommitteeFile = d.cfg.Genesis, d.cfg.TimeBetweenBlocks, d.committee()
	log := d.logger("producer-svc")
	producer.LogTo(log)
	s, err := producer.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	d.group.Add("producer-svc", s.Run)
	return nil
}

func (d *devnet) addGateway(ctx context.Context) error {
	var cfg apigw.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.RESTAddress, cfg.RPCAddress = d.cfg.RESTAddress, d.cfg.RPCAddress
	cfg.Proposer, cfg.Monitor = d.proposer, d.monitor
	s, err := apigw.New(ctx, cfg, d.logger("api-gw"))
	if err != nil {
		return err
	}
	d.gateway = s.GRPCAddr()
	d.urls = urls{rest: s.RESTAddr(), rpc: s.RPCAddr()}
	d.group.Add("api-gw", s.Run)
	return nil
}
