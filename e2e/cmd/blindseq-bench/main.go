// Command blindseq-bench measures a whole system on this machine; `make bench` runs it after the engine's benchmark.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"blindseq/e2e/bench"
)

func main() { os.Exit(run()) }

func run() int {
	var o bench.Options
	flag.StringVar(&o.Bin, "bin", "bin", "directory of the programs")
	flag.Float64Var(&o.Engine, "engine", 0, "transfers/s of the engine alone, for the ratio; 0: unknown")
	flag.IntVar(&o.Accounts, "accounts", 200, "senders; a multiple of -connections")
	flag.IntVar(&o.Transfers, "transfers", 30_000, "transfers; a multiple of -accounts; 0: nothing plain is measured")
	flag.IntVar(&o.Batch, "batch", 200, "transfers in one JSON-RPC batch")
	flag.IntVar(&o.Connections, "connections", 4, "connections that send batches")
	flag.IntVar(&o.Singles, "singles", 200, "transfers sent one by one")
	flag.IntVar(&o.SingleProcs, "single-procs", 1, "GOMAXPROCS of each process for single sealed transfers: twelve of them share the machine; 0: as many as there are cores")
	flag.IntVar(&o.Sealed, "sealed", 6000, "sealed transfers; 0: none")
	flag.Uint64Var(&o.SealedGas, "sealed-gas", 60_000_000, "maximum gas of the sealed transactions of a block; the block's own limit is 200 million")
	flag.IntVar(&o.Garbage, "garbage", 300, "sealed pieces of each kind of garbage; 0: none")
	flag.IntVar(&o.Rounds, "rounds", 500, "proposals with nothing sealed; 0: none")
	flag.DurationVar(&o.Idle, "idle", time.Minute, "how long to measure an idle system; 0: not at all")
	flag.StringVar(&o.Geth, "geth", "", "geth, to compare reads with those of geth --dev; needs wrk")
	flag.BoolVar(&o.Profile, "profile", false, "take a CPU profile of each service")
	keep := flag.String("dir", "", "directory for data, logs and profiles; a temporary one, removed, if empty")
	flag.Parse()
	if o.Accounts < 1 || o.Connections < 1 || o.Accounts%o.Connections != 0 || o.Transfers < 0 || o.Sealed < 0 || o.Transfers%o.Accounts != 0 || o.Batch < 1 || o.Singles < 1 {
		fmt.Fprintln(os.Stderr, "blindseq-bench: -accounts must be a multiple of -connections, -transfers one of -accounts, -batch and -singles at least 1")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.Dir = *keep; o.Dir == "" {
		dir, err := os.MkdirTemp("", "blindseq-bench-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "blindseq-bench:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	bin, err := filepath.Abs(o.Bin) // processes run in directories of their own
	if err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-bench:", err)
		return 1
	}
	o.Bin = bin
	if err := bench.Run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-bench:", err)
		return 1
	}
	return 0
}
