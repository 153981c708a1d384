// Package config reads a service's configuration: a struct whose kong tags hold each flag's name, default and help.
// Every flag has an environment variable, BLINDSEQ_ and the flag's name in capitals; the command line wins over the
// environment, and the environment over the default. Nothing else in the system reads flags or the environment.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/alecthomas/kong"
)

// EnvPrefix starts the name of every environment variable.
const EnvPrefix = "BLINDSEQ"

// Common is the configuration that every service has; embed it with the tag `embed:""`.
type Common struct {
	GRPCAddress     string `name:"grpc-address" help:"Address to serve gRPC on." default:"${grpc_address}"`
	HTTPAddress     string `name:"http-address" help:"Address to serve /livez, /readyz and /metrics on." default:"${http_address}"`
	Advertise       string `help:"Host at which others reach this process. Defaults to the host of each listen address."`
	AdvertiseName   string `help:"Name of this process where --advertise is an IP address: the name in its certificate. Defaults to the advertised host."`
	RedisURL        string `name:"redis-url" help:"URL of Redis: redis://, rediss:// for TLS, or redis+sentinel://host:port,host:port/db?master=name." default:"redis://127.0.0.1:6379/0" env:"BLINDSEQ_REDIS_URL,REDIS_URL"`
	RedisCA         string `name:"redis-ca" help:"Certificates (PEM) of the authority that signed the certificate of Redis, for rediss://. Empty trusts the system's authorities." type:"path"`
	Deployment      string `help:"Name of the deployment, in every Redis key and channel: the same in all its services, and another in every other deployment on this Redis. A name chain-N must be of chain N." default:"chain-1337"`
	LogLevel        string `help:"Minimum level to log: ${enum}." enum:"debug,info,warn,error" default:"info"`
	LogFormat       string `help:"Format of log lines: ${enum}." enum:"text,json" default:"text"`
	MemoryLimit     int    `help:"Soft memory limit in MiB: near it, garbage is collected more often. GOMEMLIMIT takes precedence. 0 means no limit." default:"400"`
	MemoryHardLimit int    `help:"Memory in MiB beyond which the process is killed, for example the limit of its container. The soft limit is then 80% of it, whatever --memory-limit says. 0 means that it is not known." default:"0"`
	OTLPEndpoint    string `name:"otlp-endpoint" help:"URL to send traces to by OTLP over gRPC, for example http://127.0.0.1:4317. Empty sends none."`
	TLS             TLS    `embed:"" prefix:"tls-"`
	Insecure        bool   `help:"Allow plain text on addresses that other machines can reach, where mutual TLS is not configured. Whoever reaches them may then call everything."`
}

// Base returns the common part; it makes every config that embeds Common a Service.
func (c *Common) Base() *Common { return c }

// Service is a pointer to a config struct that embeds Common.
type Service interface{ Base() *Common }

// LockGuard says how many replicas of Redis must have a lock before its holder uses it.
type LockGuard struct {
	Replicas int           `help:"Number of Redis replicas that must confirm a lock or lease before it is used. Set it for a Redis with failover. 0 asks none." default:"0"`
	Timeout  time.Duration `name:"replica-timeout" help:"Timeout of the replicas' confirmation." default:"100ms"`
}

// Validate refuses what cannot work.
func (g LockGuard) Validate() error {
	switch {
	case g.Replicas < 0 || g.Replicas > 16:
		return fmt.Errorf("--lock-replicas must be within 0 and 16, not %d", g.Replicas)
	case g.Timeout < time.Millisecond || g.Timeout > 500*time.Millisecond:
		return fmt.Errorf("--lock-replica-timeout must be within 1ms and 500ms, not %s", g.Timeout)
	}
	return nil
}

// TLS is the mutual TLS between services: all three files, or none for plain text.
type TLS struct {
	Cert string `help:"Certificate (PEM) of this process, for mutual TLS between services. Its common name says which service this is, and so what it may call. It is read again when it changes." type:"path"`
	Key  string `help:"Private key (PEM, mode 0600) of the certificate." type:"path"`
	CA   string `name:"ca" help:"Certificates (PEM) of the authority that signs the certificates of all services." type:"path"`
}

// On says whether TLS is configured.
func (t TLS) On() bool { return t.Cert != "" }

// Validate refuses a half-configured TLS.
func (t TLS) Validate() error {
	set := 0
	for _, f := range []string{t.Cert, t.Key, t.CA} {
		if f != "" {
			set++
		}
	}
	if set != 0 && set != 3 {
		return errors.New("mutual TLS needs all of --tls-cert, --tls-key and --tls-ca")
	}
	return nil
}

// AdvertiseAddress is the address others reach a listener at: its own, with the host replaced by --advertise if set.
func (c *Common) AdvertiseAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("advertise %q: %w", listen, err)
	}
	if c.Advertise != "" {
		host = c.Advertise
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return "", fmt.Errorf("advertise %q: it listens on every interface, so say which host others reach it at with --advertise", listen)
	}
	return net.JoinHostPort(host, port), nil
}

// IsLoopback says whether an address to listen on takes connections from this machine only.
func IsLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Addresses is what a config struct implements to have its own default ports; without it, free ports are taken.
type Addresses interface {
	DefaultAddresses() (grpc, http string)
}

func options(name string, cfg any) []kong.Option {
	grpc, http := "127.0.0.1:0", "127.0.0.1:0"
	if a, ok := cfg.(Addresses); ok {
		grpc, http = a.DefaultAddresses()
	}
	return []kong.Option{kong.Name(name), kong.Vars{"grpc_address": grpc, "http_address": http}}
}

// Model returns the flags of a config as kong sees them, for the reference documentation.
func Model(name string, cfg any) (*kong.Application, error) {
	k, err := kong.New(cfg, append(options(name, cfg), kong.DefaultEnvars(EnvPrefix))...)
	if err != nil {
		return nil, fmt.Errorf("model of %s: %w", name, err)
	}
	return k.Model, nil
}

// Parse fills cfg from the command line, the environment and the defaults, and validates it. exit is true when the
// arguments asked for help or the version, which then has been written to out.
func Parse(name, description string, cfg any, args []string, out io.Writer, more ...kong.Option) (ctx *kong.Context, exit bool, err error) {
	k, err := kong.New(cfg, append(append(options(name, cfg),
		kong.Description(description),
		kong.DefaultEnvars(EnvPrefix),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Writers(out, out),
		kong.Exit(func(int) { exit = true })), more...)...)
	if err != nil {
		return nil, false, fmt.Errorf("read configuration: %w", err)
	}
	ctx, err = k.Parse(args)
	if exit {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read configuration: %w (see %s --help)", err, name)
	}
	return ctx, false, nil
}

// Defaults fills a config struct with its defaults: no arguments, no environment, no validation.
func Defaults(cfg any) error {
	k, err := kong.New(cfg, options("defaults", cfg)...)
	if err != nil {
		return fmt.Errorf("fill defaults: %w", err)
	}
	for _, group := range k.Model.AllFlags(false) {
		for _, flag := range group {
			flag.Tag.Envs = nil
		}
	}
	ctx, err := kong.Trace(k, nil)
	if err != nil {
		return fmt.Errorf("fill defaults: %w", err)
	}
	if err := ctx.Reset(); err != nil {
		return fmt.Errorf("fill defaults: %w", err)
	}
	return nil
}
