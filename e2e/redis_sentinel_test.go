package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/kit/redistest"

	"github.com/ethereum/go-ethereum/ethclient"
)

// failoversEnv is how many failovers of Redis there are, 1 if not set.
const failoversEnv = "BLINDSEQ_SENTINEL_FAILOVERS"

// onSentinels starts a cluster on a Redis that sentinels watch.
func onSentinels(t *testing.T, s *redistest.Sentinels, more ...string) (*cluster.Cluster, *ethclient.Client) {
	t.Helper()
	args := map[string][]string{
		cluster.Producer: append([]string{"--time-between-blocks", "200ms"}, more...), cluster.Proposer: more,
	}
	c := start(t, cluster.Options{RedisURL: s.URL, Args: args})
	return c, direct(t, c)
}

// Each failover is to a replica that knows nothing of what happened since it was cut off: the consumption lock and the
// leases are free there or held by a past holder, tokens are minted a second time, and the FIFO is an old one.
func TestProductionSurvivesFailoversToAStaleReplica(t *testing.T) {
	t.Parallel()
	s := redistest.NewSentinels(t)
	c, head := onSentinels(t, s)
	client, accounts := wallet(t, c)
	o := watched(t, c, client, accounts[:2], 250*time.Millisecond)
	o.Add(func(h *history.History) { h.Wiped = true })
	n := number(t, failoversEnv, 1)
	for i := range n {
		advances(t, head)
		s.CutReplicas(t)
		advances(t, head) // blocks of which the replicas never hear
		s.Failover(t)
		took := advances(t, head)
		t.Logf("failover %d: blocks again %s after the promotion", i+1, took.Round(time.Millisecond))
		s.Heal(t)
	}
	o.judge(t)
}

// With --lock-replicas production stops while replicas are missing, reports why, and resumes when they are back.
func TestProductionWaitsForTheReplicasThatGuardTheLock(t *testing.T) {
	t.Parallel()
	s := redistest.NewSentinels(t)
	c, head := onSentinels(t, s, "--lock-replicas", "1", "--lock-replica-timeout", "50ms")
	advances(t, head)
	s.CutReplicas(t)
	eventually(t, "the producer says that replicas are missing", func(ctx context.Context) (bool, error) {
		reasons := readiness(ctx, c.Ops(cluster.Producer))
		return strings.Contains(reasons, "too few replicas"), fmt.Errorf("it says %q", reasons)
	})
	before := headAbove(t, head, 0)
	let(t, time.Second)
	if now := headAbove(t, head, 0); now > before+1 { // one may have been under way
		t.Fatalf("blocks %d to %d were made without a replica that knows the token", before+1, now)
	}
	s.Heal(t)
	t.Logf("blocks again %s after the replicas were back", advances(t, head).Round(time.Millisecond))
	eventually(t, "the producer is ready again", func(ctx context.Context) (bool, error) {
		reasons := readiness(ctx, c.Ops(cluster.Producer))
		return !strings.Contains(reasons, "replicas"), fmt.Errorf("it says %q", reasons)
	})
}
