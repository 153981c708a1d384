// Command devnet runs blindseq in one process for development.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"blindseq/devnet"
	"blindseq/kit/config"
	"blindseq/kit/service"
)

func main() {
	var cfg devnet.Config
	_, exit, err := config.Parse("devnet", "Run blindseq in one process for development.", &cfg, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "devnet:", err)
		os.Exit(2)
	}
	if exit {
		return
	}
	common := &config.Common{LogLevel: cfg.LogLevel, LogFormat: cfg.LogFormat, OTLPEndpoint: cfg.OTLPEndpoint}
	os.Exit(service.Execute("devnet", common, func(ctx context.Context, log *slog.Logger) error {
		return devnet.Run(ctx, cfg, os.Stdout, log)
	}))
}
