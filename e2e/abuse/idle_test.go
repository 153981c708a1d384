package abuse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// perAddress is the default of --client-connections.
const perAddress = 256

// One address may hold few connections, however many it opens; the others are closed at once and counted, and others are served.
func TestIdleConnectionsOfOneAddressAreFew(t *testing.T) {
	c, direct := startOpen(t)
	a := &attacker{where: where{Direct: direct}}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range idle {
		all.Go(func() { a.idle(ctx) })
		time.Sleep(time.Millisecond / 2) // the listener's queue is short
	}
	for began := time.Now(); a.answered.Load() < idle || a.refused.Load() < idle-perAddress; sleep(ctx, 10*time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("of %d connections of one address, %d are open", a.answered.Load(), a.answered.Load()-a.refused.Load())
		}
	}
	client, err := c.Eth(ctx)
	must(t, err)
	defer client.Close()
	began := time.Now()
	_, err = client.BlockNumber(ctx)
	must(t, err)
	t.Logf("another client is answered in %s", time.Since(began))
	if open := a.answered.Load() - a.refused.Load(); open > perAddress {
		t.Errorf("%d connections of one address are open, more than %d", open, perAddress)
	}
	// A connection that says nothing is closed after seconds, and another may have come in its place.
	if n := refusedBy(t, c, "connections"); n < idle-2*perAddress {
		t.Errorf("%d connections of %d were refused", n, idle)
	}
}

// refusedBy is how often the gateway has refused by a bound.
func refusedBy(t *testing.T, c *cluster.Cluster, bound string) (n int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Ops(cluster.Gateway)+"/metrics", nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	_, after, _ := strings.Cut(string(text), fmt.Sprintf("blindseq_budget_refused_total{budget=%q} ", bound))
	_, err = fmt.Sscan(after, &n)
	must(t, err)
	return n
}
