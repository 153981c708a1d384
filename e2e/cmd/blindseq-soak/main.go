// Command blindseq-soak repeats the test suites that start processes for a given time, and prints how often each test failed,
// with the first output of each failure, also when it is interrupted. It exits with 1 when a test failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"blindseq/e2e/soak"
)

func main() {
	duration := flag.Duration("for", time.Hour, "`time` to repeat the suites; the one that runs then is killed and not counted")
	flag.Parse()
	if err := run(*duration); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-soak:", err)
		os.Exit(1)
	}
}

func run(duration time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "blindseq-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	suites, err := soak.Suites(ctx, root)
	if err != nil {
		return err
	}
	return soak.Run(ctx, soak.Options{For: duration, Suites: suites, Root: root, Dir: dir, Log: os.Stdout})
}
