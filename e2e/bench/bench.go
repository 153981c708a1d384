// Package bench measures the whole system, every service a process of its own, and writes what a person wants to know.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
)

// Options of a run.
type Options struct {
	Bin, Dir    string // programs; data and logs
	Engine      float64
	Accounts    int
	Transfers   int
	Batch       int
	Connections int
	Singles     int // transfers sent one by one for the latency
	Idle        time.Duration
	Profile     bool
}

// Run measures everything and writes the report to out as it goes.
func Run(ctx context.Context, o Options, out io.Writer) error {
	fmt.Fprintf(out, "%d cores, %s, data in %s\n", runtime.NumCPU(), runtime.Version(), o.Dir)
	if o.Engine > 0 {
		fmt.Fprintf(out, "\nEngine alone (decode, recover, execute, commit): %.0f transfers/s\n", o.Engine)
	}
	if err := blueprintLog(filepath.Join(o.Dir, "log"), out); err != nil {
		return err
	}
	accounts, err := load.Accounts(o.Accounts + 1)
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, o, accounts)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the processes are killed either way
	b := &run{Options: o, c: c, out: out, accounts: accounts[:o.Accounts], single: accounts[o.Accounts]}
	for _, measure := range []func(context.Context) error{b.idle, b.latency, b.pipeline} {
		if err := measure(ctx); err != nil {
			c.Tails(out)
			return err
		}
	}
	return c.StopAll()
}

type run struct {
	Options
	c        *cluster.Cluster
	out      io.Writer
	accounts []*load.Account
	single   *load.Account
}

func startCluster(ctx context.Context, o Options, accounts []*load.Account) (*cluster.Cluster, error) {
	genesis, err := load.Genesis(accounts)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, "genesis.json")
	if err := os.WriteFile(path, genesis, 0o600); err != nil {
		return nil, fmt.Errorf("write genesis: %w", err)
	}
	return cluster.Start(ctx, cluster.Options{
		Bin: o.Bin, Dir: o.Dir, Args: map[string][]string{cluster.Producer: {"--genesis", path}},
	})
}
