// Package abuse runs everything that one client can do to exhaust a system, all at once, against the real programs, with honest
// wallets beside it: what they wait, what memory each process uses, and whether the history is clean. It also fuzzes every API
// that strangers reach. (docs/security.md lists the attacks.)
//
// BLINDSEQ_SOAK_ABUSE and BLINDSEQ_FUZZ_API say for how long; make soak-abuse and make fuzz-api set them.
package abuse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/producer-svc/devaccounts"
)

const (
	soakEnv = "BLINDSEQ_SOAK_ABUSE"
	fuzzEnv = "BLINDSEQ_FUZZ_API"
)

// patience is the longest that a test waits for anything, on a busy machine.
const patience = 60 * time.Second

// mebibyte is how memory is shown.
const mebibyte = 1 << 20

// memoryLimits are those of the deployment's manifests (k8s/base, k8s/keyholder, k8s/redis), in MiB.
var memoryLimits = map[string]int64{
	cluster.Redis: 128, cluster.DSN: 512, cluster.Monitor: 512, cluster.Proposer: 256, cluster.Producer: 1024,
	cluster.Gateway: 512, cluster.Bundler: 256, cluster.Observer: 1024,
}

const keyholderLimit = 512

func limitOf(process string) int64 { return cmp.Or(memoryLimits[process], int64(keyholderLimit)) }

var programs string // set once, by TestMain

func TestMain(m *testing.M) {
	if given := os.Getenv(ordersEnv); given != "" {
		os.Exit(attackAs(given))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "blindseq-abuse-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if programs, err = cluster.Programs(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// duration is what a variable says, or what a run of all tests has time for.
func duration(t *testing.T, variable string, short time.Duration) time.Duration {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return short
	}
	d, err := time.ParseDuration(value)
	must(t, err)
	return d
}

// start runs a system with four keyholders, of which three open, and a bundler if asked for. More are further arguments of the gateway.
func start(t *testing.T, bundler bool, more ...string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{
		Bin: programs, Dir: t.ArtifactDir(), Keyholders: 4, Threshold: 3, Bundler: bundler,
		// Clients on this machine have no budget, so they come as through a proxy.
		Args: map[string][]string{cluster.Gateway: append(more, "--trusted-proxies", "127.0.0.0/8")},
	})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			c.Tails(t.Output())
		}
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return c
}

// startOpen is start with a gateway that serves JSON-RPC on all addresses. direct is where it is reached by no proxy (host:port): what
// comes from there has a budget of connections.
func startOpen(t *testing.T) (c *cluster.Cluster, direct string) {
	t.Helper()
	address := onAllAddresses(t)
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	token := filepath.Join(t.TempDir(), "token") // without one, nothing listens there
	must(t, os.WriteFile(token, []byte(strings.Repeat("t", 64)), 0o600))
	c = start(t, false, "--rpc-address", address, "--api-token-file", token)
	local := net.JoinHostPort("127.0.0.1", port)
	c.RPC, c.WS = "http://"+local, "ws://"+local+"/ws"
	return c, net.JoinHostPort(ownAddress(t), port)
}

// onAllAddresses is an address to listen on that has a port which package testaddr gives nobody: what listens on one address of this
// machine would be in the way.
func onAllAddresses(t *testing.T) string {
	t.Helper()
	var failed error
	for range 100 {
		address := fmt.Sprintf("0.0.0.0:%d", 12_000+rand.IntN(8_000))
		l, err := net.Listen("tcp", address)
		if err == nil {
			must(t, l.Close())
			return address
		}
		failed = err
	}
	t.Fatal(failed)
	return ""
}

// ownAddress is an address of this machine that is none of its loopback's.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has only its loopback address")
	return ""
}

// developers are the rich accounts of the development genesis.
func developers(t *testing.T) (accounts []*load.Account) {
	t.Helper()
	keys, err := devaccounts.All()
	must(t, err)
	for _, k := range keys {
		accounts = append(accounts, load.NewAccount(k.Key, big.NewInt(devChainID)))
	}
	return accounts
}

const devChainID = 1337

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// quantile of times; zero if there are none.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
