// Command blindseq-longchain makes a long chain and measures an observer that comes from nothing over it (make catch-up-long).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"blindseq/e2e/longchain"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-longchain:", err)
		os.Exit(1)
	}
}

func run() error {
	var o longchain.CatchUpOptions
	flag.StringVar(&o.Bin, "bin", "bin", "directory of the programs")
	flag.Uint64Var(&o.Blocks, "blocks", 100_000, "blocks of the chain")
	flag.IntVar(&o.Transfers, "transfers", 1, "transfers in each block")
	flag.BoolVar(&o.Profile, "profile", false, "take a CPU profile of each service")
	least := flag.Float64("least", 0, "fail below so many blocks/s; 0: never")
	keep := flag.String("dir", "", "directory for data and logs; a temporary one, removed, if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.Bin, err = filepath.Abs(o.Bin); err != nil { // processes run in directories of their own
		return err
	}
	if o.Dir = *keep; o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "blindseq-longchain-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.Dir)
	}
	rate, err := longchain.CatchUp(ctx, o, os.Stdout)
	if err == nil && rate < *least {
		err = fmt.Errorf("%.0f blocks/s, at least %.0f are wanted", rate, *least)
	}
	return err
}
