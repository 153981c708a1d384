package service

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"blindseq/kit/config"
	"blindseq/kit/logs"
	"blindseq/kit/memory"
	"blindseq/kit/redisx"
	"blindseq/kit/telemetry"

	// An image that holds nothing but the program has no certificates of public authorities.
	_ "golang.org/x/crypto/x509roots/fallback"
)

// Main is the body of a service's main function: it reads the configuration, sets up logs and traces, and runs until
// SIGTERM or SIGINT. It returns the exit code: 0 for a clean stop, 1 when the service failed, 2 for a configuration
// that cannot be used. A second signal ends the process at once.
func Main[C any, P interface {
	*C
	config.Service
}](name, description string, run func(ctx context.Context, cfg C, log *slog.Logger) error) int {
	cfg := P(new(C))
	_, exit, err := config.Parse(name, description, cfg, os.Args[1:], os.Stdout, About(name)...)
	if exit {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	return Execute(name, cfg.Base(), func(ctx context.Context, log *slog.Logger) error { return run(ctx, *cfg, log) })
}

// Execute is the part of Main after the configuration was read, for programs with subcommands.
func Execute(name string, common *config.Common, run func(ctx context.Context, log *slog.Logger) error) int {
	log, err := logs.New(os.Stderr, common.LogLevel, common.LogFormat, name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, a second one has its default effect

	redisx.LogTo(log)
	flush, err := telemetry.Start(ctx, name, Version, common.OTLPEndpoint)
	if err != nil {
		log.Error("start telemetry", "error", err)
		return 2
	}
	defer flush()

	memory.Limit(memory.Soft(common.MemoryLimit, common.MemoryHardLimit))
	var keeper sync.WaitGroup
	defer keeper.Wait()
	work, done := context.WithCancel(ctx)
	defer done()
	keeper.Go(func() { memory.Keep(work) })

	log.Info("starting", "version", Version)
	if err := run(ctx, log); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}
