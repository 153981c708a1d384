package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/network"
	"blindseq/e2e/rest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/ethclient"
)

// halfOpenEnv, set, leaves each link half open by itself too, not only all of them at once.
const halfOpenEnv = "BLINDSEQ_E2E_HALF_OPEN"

const (
	// linkFault is how long a link is broken.
	linkFault = 400 * time.Millisecond
	// keepalive is within which a half-open connection is found: the 15 s that kit/grpckit promises, and 5 s for a machine
	// that runs four clusters at once. Without keepalive it would be a quarter of an hour.
	keepalive = 20 * time.Second
)

// networked starts a cluster whose processes speak to each other through a network, with an empty block every 200 ms so
// that the head advances whatever becomes of the wallets' connections.
func networked(t *testing.T, o cluster.Options) (*cluster.Cluster, *network.Network) {
	t.Helper()
	n := network.New()
	t.Cleanup(n.Close)
	o.Network = n
	if o.Args == nil {
		o.Args = map[string][]string{}
	}
	o.Args[cluster.Producer] = append(o.Args[cluster.Producer], "--time-between-blocks", "200ms")
	return start(t, o), n
}

// direct is a JSON-RPC client of the producer itself, which no broken link is between.
func direct(t *testing.T, c *cluster.Cluster) *ethclient.Client {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), c.Direct)
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestProductionContinuesAfterEveryLinkIsBroken(t *testing.T) {
	t.Parallel()
	c, n := networked(t, cluster.Options{Keyholders: 4, Threshold: 3})
	client, accounts := wallet(t, c)
	o := watched(t, c, client, accounts[:2], 50*time.Millisecond)
	head := direct(t, c)
	headAbove(t, head, 0)
	links := n.Links()
	if want := 13 + 4; len(links) != want { // a link that is not broken here would be a link that is not tested
		t.Fatalf("%d links, want %d", len(links), want)
	}
	useEveryLink(t, c, head)
	for _, l := range links {
		t.Run(strings.ReplaceAll(l.Name, " ", "_"), func(t *testing.T) { breakLink(t, l, head) })
	}
	useEveryLink(t, c, head)
	t.Run("all_half_open", func(t *testing.T) { leaveHalfOpen(t, n, links, head) })
	if os.Getenv(halfOpenEnv) != "" {
		for _, l := range links {
			useEveryLink(t, c, head)
			t.Run("half_open_"+l.Name, func(t *testing.T) { leaveHalfOpen(t, n, []*network.Link{l}, head) })
		}
	}
	o.judge(t)
}

// useEveryLink has every process speak to all that it ever speaks to: a status asks everyone, and a request that comes
// while the pool is locked ends by way of proposer and monitor.
func useEveryLink(t *testing.T, c *cluster.Cluster, head *ethclient.Client) {
	t.Helper()
	api := rest.New(c.REST, 1)
	defer api.Close()
	_, err := api.Status(t.Context())
	must(t, err)
	admin := blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer))
	lockPool(t, admin, true)
	answer, err := api.ProduceBlock(t.Context(), "", "")
	must(t, err)
	if answer.GetNoBlock().GetReason() != "pool_locked" {
		t.Fatalf("with the pool locked: %v", answer)
	}
	lockPool(t, admin, false)
	advances(t, head)
}

// breakLink breaks a link in every way. After each fault it waits until new blocks are made.
func breakLink(t *testing.T, l *network.Link, head *ethclient.Client) {
	var took []string
	for _, fault := range []struct {
		name string
		do   func() error
	}{
		{"cut", func() error { l.Cut(); return nil }},
		{"slow", func() error { return l.Slow(linkFault / 2) }},
		{"reset", l.Reset},
		{"swallow", l.Swallow},
	} {
		must(t, fault.do())
		let(t, linkFault)
		must(t, l.Repair(t.Context()))
		took = append(took, fmt.Sprintf("%s %s", fault.name, advances(t, head).Round(10*time.Millisecond)))
	}
	t.Logf("%s: blocks again after %s", l.Name, strings.Join(took, ", "))
}

// leaveHalfOpen leaves links half open, and checks that gRPC gives the connections up within its keepalive, and that
// new blocks are made then, though no link was repaired.
func leaveHalfOpen(t *testing.T, n *network.Network, links []*network.Link, head *ethclient.Client) {
	var vanished []*network.Vanished
	for _, l := range links {
		v, err := l.HalfOpen()
		must(t, err)
		vanished = append(vanished, v)
	}
	grpc := slices.DeleteFunc(slices.Clone(vanished), func(v *network.Vanished) bool {
		return v.Link.To == cluster.Redis || strings.Contains(v.Link.From, "JSON-RPC")
	})
	for _, v := range grpc { // the connections learn of it one after the other
		eventually(t, v.Link.Name+" has a connection to leave half open", func(context.Context) (bool, error) { return v.Open() > 0 || v.Took() > 0, nil })
	}
	for _, v := range grpc {
		eventually(t, v.Link.Name+" is given up", func(context.Context) (bool, error) { return v.Open() == 0, nil })
		took := v.Took()
		if took > keepalive {
			t.Errorf("%s: the half-open connection was found after %s", v.Link.Name, took)
		}
		t.Logf("%s: given up within %s", v.Link.Name, took.Round(10*time.Millisecond))
	}
	t.Logf("blocks again %s later", advances(t, head).Round(10*time.Millisecond))
	must(t, n.Repair(t.Context()))
	advances(t, head)
}

// advances waits for blocks that were begun after the call, and says how long that took.
func advances(t *testing.T, head *ethclient.Client) time.Duration {
	t.Helper()
	began := time.Now()
	headAbove(t, head, headAbove(t, head, 0)+1)
	return time.Since(began)
}

// let a fault last.
func let(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
