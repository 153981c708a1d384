// Package host is the shell of every program of the system: configuration, log, health, metrics, listeners, a gRPC server,
// connections, Redis, components that run, and closers.
//
// It guarantees: what is opened through a Host is closed in the reverse order, once, whether the start fails, the program
// stops, or it never runs. Components stop in the reverse order of Add, before anything is closed; readiness ends first.
//
// It asks of callers: open everything through the Host, and Close it when the start fails.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"

	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/httpkit"
	"blindseq/kit/ops"
	"blindseq/kit/roles"
	"blindseq/kit/service"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// Host is one program that starts, runs and stops. New makes one.
type Host struct {
	Common   *config.Common
	Log      *slog.Logger
	Health   *ops.Health
	Registry *prometheus.Registry

	ctx        context.Context // of the start; carries the steps of a test
	doors      doors
	ops        *ops.Server
	actions    []ops.Action
	components []component
	stopping   []func()

	mu      sync.Mutex
	closers []closer
}

type component struct {
	name string
	run  func(context.Context) error
}

type closer struct {
	name  string
	close func() error
}

// New returns a Host that holds nothing open. ctx is the one of the start.
func New(ctx context.Context, common *config.Common, log *slog.Logger) *Host {
	return &Host{Common: common, Log: log, Health: ops.NewHealth(), Registry: ops.NewRegistry(), ctx: ctx}
}

type stepsKey struct{}

// WithSteps has every step of a start under ctx ask step first, and fail with its error. It is for tests.
func WithSteps(ctx context.Context, step func(name string) error) context.Context {
	return context.WithValue(ctx, stepsKey{}, step)
}

// Step names the next step of the start. It fails only in a test that wants it to.
func (h *Host) Step(name string) error {
	if step, ok := h.ctx.Value(stepsKey{}).(func(string) error); ok {
		if err := step(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Defer closes something when the Host closes: the last first.
func (h *Host) Defer(name string, close func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closers = append(h.closers, closer{name, close})
}

// Open opens something as a step of the start, and closes it when the Host closes.
func Open[T io.Closer](h *Host, name string, open func() (T, error)) (T, error) {
	var none T
	if err := h.Step(name); err != nil {
		return none, err
	}
	opened, err := open()
	if err != nil {
		return none, err
	}
	h.Defer(name, opened.Close)
	return opened, nil
}

// Dial prepares a connection to another service, which has to be of a role. It connects when it is first used.
func (h *Host) Dial(target string, server roles.Role, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return Open(h, "connection to "+target, func() (*grpc.ClientConn, error) {
		source, err := h.Certificates()
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", target, err)
		}
		return grpckit.DialRole(target, server, source, options...)
	})
}

// Listen opens a TCP listener. A server that closes it itself does no harm.
func (h *Host) Listen(name, address string) (net.Listener, error) {
	if err := h.Step(name); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(h.ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", name, err)
	}
	h.Defer(name, func() error { return httpkit.Close(l) })
	return l, nil
}

// GRPC listens for gRPC and prepares the server. What cfg leaves empty is the Host's: address, TLS, health, metrics and log.
// Without TLS it listens on a loopback address, or the operator has said --insecure.
func (h *Host) GRPC(cfg grpckit.ServerConfig) (_ *grpckit.Server, err error) {
	if cfg.Listener == nil {
		address := cfg.Address
		if address == "" {
			address = h.Common.GRPCAddress
		}
		if cfg.Listener, err = h.Listen("grpc", address); err != nil {
			return nil, err
		}
	}
	if cfg.Certs, err = h.Door("grpc", cfg.Listener.Addr().String()); err != nil {
		return nil, err
	}
	cfg.Refused = h.Refusals()
	cfg.Health, cfg.Registry, cfg.Log = h.Health, h.Registry, h.Log
	return Open(h, "grpc server", func() (*grpckit.Server, error) { return grpckit.NewServer(cfg) })
}

// Ops listens for health and metrics. They are served first and stopped last.
func (h *Host) Ops() (err error) {
	h.ops, err = Open(h, "health and metrics", func() (*ops.Server, error) {
		return ops.NewServer(h.Common.HTTPAddress, h.Health, h.Registry, h.Log, h.actions...)
	})
	return err
}

// Act serves an action beside health and metrics, to callers on this machine alone. Call it before Ops.
func (h *Host) Act(pattern string, handler http.Handler) {
	h.actions = append(h.actions, ops.Action{Pattern: pattern, Handler: handler})
}

// OpsAddr is where health and metrics are served.
func (h *Host) OpsAddr() string { return h.ops.Addr() }

// Add adds a component: run blocks until its context ends. Components start in the order of Add and stop in the reverse
// order, each waited for before the next; one that ends early stops the program.
func (h *Host) Add(name string, run func(context.Context) error) {
	h.components = append(h.components, component{name, run})
}

// OnStop calls f when the program begins to stop, before any component does.
func (h *Host) OnStop(f func()) { h.stopping = append(h.stopping, f) }

// CloseOn closes everything when a start failed: defer it with the start's error as soon as there is a Host.
func (h *Host) CloseOn(err *error) {
	if *err != nil {
		*err = errors.Join(*err, h.Close())
	}
}

// Run runs the components until ctx ends or one fails, and closes everything. It runs once.
func (h *Host) Run(ctx context.Context) error {
	g := service.NewGroup(h.Log)
	if h.ops != nil {
		g.Add("health and metrics", h.ops.Run)
	}
	if h.doors.watched() {
		g.Add("doors", h.watchDoors)
	}
	for _, c := range h.components {
		g.Add(c.name, c.run)
	}
	g.Add("readiness", h.ready)
	return errors.Join(g.Run(ctx), h.Close())
}

// ready is stopped first, so that nothing new is sent here while the rest stops.
func (h *Host) ready(ctx context.Context) error {
	<-ctx.Done()
	h.Health.Set("service", "stopping")
	for _, f := range h.stopping {
		f()
	}
	return nil
}

// Start opens a program and runs it until ctx ends or a component fails: the body of every service's Run.
func Start[C any, S interface{ Run(context.Context) error }](ctx context.Context, cfg C, log *slog.Logger,
	open func(context.Context, C, *slog.Logger) (S, error),
) error {
	s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Close closes everything that was opened, the last first. A second call does nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	closers := h.closers
	h.closers = nil
	h.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(closers) {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}
