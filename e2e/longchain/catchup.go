package longchain

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/usage"
	"blindseq/kit/retry"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// CatchUpOptions of a replica from nothing.
type CatchUpOptions struct {
	Bin, Dir  string // of the programs; for data and logs, must exist
	Blocks    uint64
	Transfers int      // in each block
	Args      []string // of the observer
	// Profile has the processor's profile of each part written to Dir.
	Profile bool
}

// look is how often the replica's head is asked for.
const look = 20 * time.Millisecond

// CatchUp makes a chain, starts an observer with an empty disk over it, and prints how fast it came to the head. The head's hash and
// root must be those of the chain that was made.
func CatchUp(ctx context.Context, o CatchUpOptions, out io.Writer) (perSecond float64, err error) {
	c, err := cluster.Start(ctx, cluster.Options{
		Bin: o.Bin, Dir: o.Dir, Keyholders: 4, Threshold: 3, Args: map[string][]string{cluster.Observer: o.Args},
		Only: []string{cluster.Redis, cluster.DSN, cluster.Monitor, cluster.Observer}, Bundler: true,
	})
	if err != nil {
		return 0, fmt.Errorf("catch up: %w", err)
	}
	defer c.Close() // nothing of it is kept
	made, err := exchange(ctx, c, o, out)
	if err != nil {
		return 0, fmt.Errorf("catch up: %w", err)
	}
	if perSecond, err = run(ctx, c, o, made, out); err != nil {
		c.Tails(out)
		return 0, fmt.Errorf("catch up: %w", err)
	}
	return perSecond, nil
}

// exchange stops what runs and gives the sequencer a long chain, and the observer nothing.
func exchange(ctx context.Context, c *cluster.Cluster, o CatchUpOptions, out io.Writer) (made Made, err error) {
	for _, name := range c.Names() {
		if err := c.Process(name).Kill(); err != nil {
			return made, err
		}
		if err := os.RemoveAll(c.DataDir(name)); err != nil {
			return made, err
		}
	}
	began := time.Now()
	made, err = Make(ctx, Options{
		Keys: c.Keys, Sequencer: c.DataDir(cluster.DSN), Producer: filepath.Join(o.Dir, "made"), Blocks: o.Blocks, Transfers: o.Transfers,
	})
	if err == nil {
		fmt.Fprintf(out, "made %d blocks of %d transfers in %s\n", made.Number, o.Transfers, time.Since(began).Round(time.Second))
	}
	return made, err
}

func run(ctx context.Context, c *cluster.Cluster, o CatchUpOptions, made Made, out io.Writer) (float64, error) {
	for _, name := range []string{cluster.DSN, cluster.Monitor} {
		if err := c.Process(name).Start(); err != nil {
			return 0, err
		}
	}
	if err := await(ctx, func() bool {
		status, err := dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).GetStatus(ctx, &dsnv1.GetStatusRequest{})
		return err == nil && status.GetLastNumber() == made.Number
	}); err != nil {
		return 0, fmt.Errorf("the sequencer does not serve the chain: %w", err)
	}
	began := time.Now()
	if err := c.Process(cluster.Observer).Start(); err != nil {
		return 0, err
	}
	if o.Profile {
		for _, name := range []string{cluster.DSN, cluster.Monitor, cluster.Observer} {
			go profile(ctx, c.Ops(name), filepath.Join(o.Dir, name+".profile"))
		}
	}
	used := map[string]usage.Sample{}
	head, err := reach(ctx, c, made.Number, used)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	if head.Hash() != made.Hash || head.Root != made.Root {
		return 0, fmt.Errorf("block %d is %s with root %s, was made as %s with %s", made.Number, head.Hash(), head.Root, made.Hash, made.Root)
	}
	rate := float64(made.Number) / took.Seconds()
	fmt.Fprintf(out, "an observer from nothing has block %d, with the hash and root of the chain that was made, %s after its start: %.0f blocks/s\n",
		made.Number, took.Round(10*time.Millisecond), rate)
	for _, name := range []string{cluster.DSN, cluster.Monitor, cluster.Observer} {
		fmt.Fprintf(out, "  %-10s %6.1f s of processor time, %4d MiB resident at most\n", name, used[name].CPU.Seconds(), used[name].Peak>>20)
	}
	return rate, nil
}

// reach waits until the observer has a block, and notes what the processes use on the way.
func reach(ctx context.Context, c *cluster.Cluster, number uint64, used map[string]usage.Sample) (head *types.Header, err error) {
	client, err := ethclient.DialContext(ctx, c.RPCOf(cluster.Observer))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	err = await(ctx, func() bool {
		for _, name := range []string{cluster.DSN, cluster.Monitor, cluster.Observer} {
			if now, failed := usage.Of(c.Process(name).PID()); failed == nil {
				used[name] = now
			}
		}
		head, err = client.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
		return err == nil
	})
	return head, err
}

func await(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// afterStart is how long a part has run when its profile begins, which shows nothing of its start then.
const afterStart = 3 * time.Second

// profile writes 10 seconds of a process's processor time. The run goes on without it.
func profile(ctx context.Context, ops, path string) {
	if err := writeProfile(ctx, ops, path); err != nil {
		fmt.Fprintf(os.Stderr, "no profile %s: %v\n", path, err)
	}
}

func writeProfile(ctx context.Context, ops, path string) error {
	if err := retry.Sleep(ctx, afterStart); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ops+"/debug/pprof/profile?seconds=10", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("status %s", res.Status)
	}
	return os.WriteFile(path, raw, 0o600)
}
