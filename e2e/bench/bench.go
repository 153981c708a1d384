// Package bench measures the whole system, every service a process of its own, and prints a report.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	Singles     int    // transfers sent one by one for the latency
	SingleProcs int    // GOMAXPROCS of each process for single sealed transfers; 0: the machine's
	Sealed      int    // sealed transfers; 0: none
	SealedGas   uint64 // of all sealed transactions of a block
	Garbage     int    // sealed pieces of each kind of garbage; 0: none
	Rounds      int    // proposals with nothing sealed
	Idle        time.Duration
	Profile     bool
	Geth        string // program to compare reads with; empty: they are not measured
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
	for _, s := range systems(o) {
		if err := s.run(ctx, o, out); err != nil {
			return err
		}
	}
	return nil
}

// Committee of the systems that encrypt.
const (
	keyholders = 4
	threshold  = 3
)

// system is a cluster and what is measured of it, one after the other.
type system struct {
	name    string
	cluster cluster.Options
	measure []func(*run, context.Context) error
}

func systems(o Options) []system {
	var all []system
	if o.Transfers > 0 {
		all = append(all, system{name: "plain", measure: []func(*run, context.Context) error{(*run).idle, (*run).latency, (*run).reads, (*run).pipeline}})
	}
	committee := cluster.Options{Keyholders: keyholders, Threshold: threshold, ChainID: load.ChainID, SealedGas: o.SealedGas}
	if o.Rounds > 0 {
		alone := committee
		alone.Only = []string{cluster.DSN}
		all = append(all, system{name: "rounds", cluster: alone, measure: []func(*run, context.Context) error{(*run).rounds}})
	}
	var measure []func(*run, context.Context) error
	if o.Sealed > 0 && o.Transfers > 0 {
		measure = append(measure, (*run).pipeline)
	}
	if o.Sealed > 0 {
		measure = append(measure, (*run).sealed)
	}
	if o.Garbage > 0 {
		measure = append(measure, (*run).garbage)
	}
	if o.Sealed > 0 {
		bundler := committee
		bundler.Bundler, bundler.Procs = true, o.SingleProcs
		all = append(all, system{name: "bundler", cluster: bundler, measure: []func(*run, context.Context) error{(*run).throughBundler}})
	}
	if len(measure) > 0 {
		all = append(all, system{name: "sealed", cluster: committee, measure: measure})
	}
	return all
}

func (s system) run(ctx context.Context, o Options, out io.Writer) error {
	accounts, err := load.Accounts(o.Accounts + 1)
	if err != nil {
		return err
	}
	o.Dir = filepath.Join(o.Dir, s.name)
	c, err := startCluster(ctx, o, s.cluster, accounts)
	if err != nil {
		return err
	}
	defer c.Close() // the processes are killed either way
	b := &run{Options: o, c: c, out: out, accounts: accounts[:o.Accounts], single: accounts[o.Accounts]}
	for _, measure := range s.measure {
		if err := measure(b, ctx); err != nil {
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
	plain    float64 // transfers/s of this system, 0 before they were measured
	accounts []*load.Account
	single   *load.Account
}

func startCluster(ctx context.Context, o Options, co cluster.Options, accounts []*load.Account) (*cluster.Cluster, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for data: %w", err)
	}
	genesis, err := load.Genesis(accounts)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, "genesis.json")
	if err := os.WriteFile(path, genesis, 0o600); err != nil {
		return nil, fmt.Errorf("write genesis: %w", err)
	}
	var named []string // submitters without a quota, as a bundler is that the committee names
	for _, a := range accounts {
		named = append(named, a.Address.Hex())
	}
	co.ChainID = load.ChainID
	co.Bin, co.Dir, co.Args = o.Bin, o.Dir, map[string][]string{cluster.Producer: {"--genesis", path, "--seal-min-balance", "0", "--seal-allow", strings.Join(named, ",")}, cluster.Observer: {"--genesis", path}}
	return cluster.Start(ctx, co)
}
