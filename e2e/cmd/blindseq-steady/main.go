// Command blindseq-steady leaves the devnet under a steady load for a time, and fails when latency or memory of the last minute is more
// than a tenth above that of the second (make soak-run).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"blindseq/e2e/steady"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-steady:", err)
		os.Exit(1)
	}
}

func run() error {
	o := steady.Options{Growth: 0.1}
	flag.StringVar(&o.Devnet, "devnet", "bin/devnet", "program of make run")
	flag.DurationVar(&o.For, "for", 30*time.Minute, "how long, in minutes")
	flag.IntVar(&o.Rate, "rate", 16, "transfers a second, half of them sealed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "blindseq-steady-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	_, err = steady.Run(ctx, o, os.Stdout)
	return err
}
