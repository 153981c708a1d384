package devnet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	apigw "blindseq/api-gw"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	"blindseq/kit/host"
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
func start(ctx context.Context, cfg Config, out io.Writer, log *slog.Logger) (_ *devnet, err error) {
	d := &devnet{Host: host.New(ctx, &config.Common{}, log), cfg: cfg, redisURL: cfg.RedisURL}
	defer d.CloseOn(&err)
	if err := d.build(ctx); err != nil {
		return nil, err
	}
	gateway, err := d.Dial(d.gateway)
	if err != nil {
		return nil, err
	}
	d.Add("console", newConsole(cfg, gateway, d.urls, out).run)
	return d, nil
}

type devnet struct {
	*host.Host
	cfg      Config
	redisURL string

	keys       *keygen.Files // nil without keyholders
	keyholders []string      // gRPC addresses, by authority

	dsn      string // gRPC addresses
	monitor  string
	proposer string
	gateway  string
	urls     urls
}

// build starts the services in the order in which they need each other's addresses. Nobody needs the producer's: its lease
// names it.
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

// add starts a service as a step of the devnet's start, and adds it as a component.
func add[P part](d *devnet, name string, start func(log *slog.Logger) (P, error)) (P, error) {
	p, err := host.Open(d.Host, name, func() (P, error) {
		p, err := start(d.Log.With("part", name))
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

// prepare fills a service's config with its defaults and with what all services of the devnet share. They listen on any free
// port, because only those of the gateway and the bundler are public.
func (d *devnet) prepare(cfg config.Service) error {
	if err := config.Defaults(cfg); err != nil {
		return err
	}
	common := cfg.Base()
	common.GRPCAddress, common.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
	common.RedisURL = d.redisURL
	return nil
}

func (d *devnet) addSequencer(ctx context.Context) error {
	var cfg sequencer.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DataDir, cfg.RPCAddress, cfg.PreblockTime = filepath.Join(d.cfg.DataDir, "dsn"), "127.0.0.1:0", d.cfg.PreblockTime
	cfg.Keyholders, cfg.CommitteeFile = d.keyholders, d.committee()
	s, err := add(d, "dsn-node", func(log *slog.Logger) (*sequencer.Service, error) { return sequencer.New(ctx, cfg, log) })
	if err != nil {
		return err
	}
	d.dsn, _, _ = s.Addresses()
	return nil
}

func (d *devnet) addMonitor(ctx context.Context) error {
	var cfg monitor.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DSN, cfg.CommitteeFile = d.dsn, d.committee()
	s, err := add(d, "monitor-svc", func(log *slog.Logger) (*monitor.Service, error) { return monitor.New(ctx, cfg, log) })
	if err != nil {
		return err
	}
	d.monitor, _ = s.Addresses()
	return nil
}

func (d *devnet) addProposer(ctx context.Context) error {
	var cfg proposer.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.DSN, cfg.Monitor = d.dsn, d.monitor
	s, err := add(d, "proposer-svc", func(log *slog.Logger) (*proposer.Service, error) { return proposer.New(ctx, cfg, log) })
	if err != nil {
		return err
	}
	d.proposer, _ = s.Addresses()
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
	_, err := add(d, "producer-svc", func(log *slog.Logger) (*producer.Service, error) {
		producer.LogTo(log)
		return producer.New(ctx, cfg, log)
	})
	return err
}

func (d *devnet) addGateway(ctx context.Context) error {
	var cfg apigw.Config
	if err := d.prepare(&cfg); err != nil {
		return err
	}
	cfg.RESTAddress, cfg.RPCAddress = d.cfg.RESTAddress, d.cfg.RPCAddress
	cfg.Proposer, cfg.Monitor = d.proposer, d.monitor
	s, err := add(d, "api-gw", func(log *slog.Logger) (*apigw.Service, error) { return apigw.New(ctx, cfg, log) })
	if err != nil {
		return err
	}
	d.gateway = s.GRPCAddr()
	d.urls = urls{rest: s.RESTAddr(), rpc: s.RPCAddr()}
	return nil
}
