// Command blindseq-soak repeats the test suites that use real processes for a given time, and prints how often each test
// failed, with the first output of each failure. It exits with 1 when a test failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"blindseq/e2e/soak"
)

// suites are the packages whose tests start real processes.
func suites() []soak.Suite {
	return []soak.Suite{
		{Name: "e2e", Args: []string{"-test.parallel=4"}},
		{Name: "dsn-node/cmd/dsn-node"},
		{Name: "kit/lock"},
		{Name: "producer-svc"},
		{Name: "proposer-svc"},
	}
}

func main() {
	duration := flag.Duration("for", time.Hour, "`time` to repeat the suites; none begins after it")
	flag.Parse()
	if err := run(*duration); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-soak:", err)
		os.Exit(1)
	}
}

func run(duration time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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
	return soak.Run(ctx, soak.Options{For: duration, Suites: suites(), Root: root, Dir: dir, Log: os.Stdout})
}
