// Command blindseq-demo lets a bot attack swaps, plain and sealed, on a devnet of its own (make demo).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"blindseq/e2e/demo"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-demo:", err)
		os.Exit(1)
	}
}

func run() error {
	var o demo.Options
	flag.StringVar(&o.Devnet, "devnet", "bin/devnet", "program of make run")
	flag.IntVar(&o.Rounds, "rounds", 10, "swaps in each lane")
	flag.DurationVar(&o.BlockTime, "block-time", 500*time.Millisecond, "time between two blocks")
	flag.Int64Var(&o.Tolerance, "tolerance", 100, "what the victim accepts less than it was quoted, in hundredths of a percent")
	picture := flag.String("picture", "", "file to write the picture to, as SVG; empty writes none")
	flag.Parse()
	if o.Rounds < 1 || o.BlockTime <= 0 || o.Tolerance < 0 || o.Tolerance >= 10_000 {
		return fmt.Errorf("-rounds and -block-time must be more than 0, -tolerance within 0 and 9999")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "blindseq-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	rounds, err := demo.Run(ctx, o, os.Stdout)
	if err != nil {
		return err
	}
	demo.Report(os.Stdout, rounds)
	if *picture == "" {
		return nil
	}
	drawn, err := demo.Picture(rounds)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*picture, drawn, 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	fmt.Printf("\nThe picture is in %s.\n", *picture)
	return nil
}
