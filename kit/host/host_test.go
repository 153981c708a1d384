package host_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/host/hosttest"
	"blindseq/kit/roles"
)

func common() *config.Common {
	return &config.Common{GRPCAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0", RedisURL: "redis://127.0.0.1:1/0", Deployment: "test"}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// program opens one of everything.
func program(ctx context.Context) (_ *host.Host, err error) {
	h := host.New(ctx, common(), quiet())
	defer h.CloseOn(&err)
	if _, err = host.Redis(h); err != nil {
		return nil, err
	}
	if _, err = h.Dial("127.0.0.1:1", roles.Monitor); err != nil {
		return nil, err
	}
	if _, err = h.Listen("public", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	server, err := h.GRPC(grpckit.ServerConfig{})
	if err != nil {
		return nil, err
	}
	h.Add("grpc", server.Run)
	return h, h.Ops()
}

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		h, err := program(ctx)
		if err != nil {
			return nil, err
		}
		return h.Close, nil
	})
	if want := []string{"redis", "connection to 127.0.0.1:1", "public", "grpc", "grpc server", "health and metrics"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

func TestEverythingIsClosedOnceInReverseOrder(t *testing.T) {
	h := host.New(t.Context(), common(), quiet())
	var closed []string
	for _, name := range []string{"disk", "redis", "server"} {
		h.Defer(name, func() error { closed = append(closed, name); return io.ErrUnexpectedEOF })
	}
	err := h.Close()
	if want := []string{"server", "redis", "disk"}; !slices.Equal(closed, want) {
		t.Errorf("closed %q, want %q", closed, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Count(err.Error(), "close ") != 3 {
		t.Errorf("got %v", err)
	}
	if err := h.Close(); err != nil || len(closed) != 3 {
		t.Errorf("closed again: %v, %q", err, closed)
	}
}

func TestAProgramStopsInOrder(t *testing.T) {
	h, err := program(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var events []string
	h.Add("work", func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		events = append(events, "work ended")
		return nil
	})
	h.OnStop(func() { events = append(events, "stopping: "+h.Health.Ready()["service"]) })
	h.Defer("disk", func() error { events = append(events, "disk closed"); return nil })
	if err := h.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"stopping: stopping", "work ended", "disk closed"}; !slices.Equal(events, want) {
		t.Errorf("got %q, want %q", events, want)
	}
	if c, err := net.Dial("tcp", h.OpsAddr()); err == nil {
		c.Close()
		t.Error("health and metrics are still served")
	}
}

func TestAComponentThatFailsEndsTheProgramAndClosesIt(t *testing.T) {
	h := host.New(t.Context(), common(), quiet())
	closed := false
	h.Defer("disk", func() error { closed = true; return nil })
	broken := errors.New("disk is full")
	h.Add("log", func(context.Context) error { return broken })
	if err := h.Run(t.Context()); !errors.Is(err, broken) || !closed {
		t.Errorf("ended with %v, closed: %v", err, closed)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	h := host.New(t.Context(), common(), quiet())
	t.Cleanup(func() { _ = h.Close() })
	l, err := h.Listen("first", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Listen("second", l.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "serve second: ") {
		t.Errorf("got %v", err)
	}
}
