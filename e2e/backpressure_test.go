package e2e

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"blindseq/e2e/rest"
	"blindseq/producer-svc/rollupnodetest"

	"github.com/ethereum/go-ethereum/core/types"
)

// ahead is how many blueprints the rollup may miss here.
const ahead = 8

// awaitPool waits for a status in which exactly these lock the pool.
func awaitPool(t *testing.T, api *rest.Client, locks ...string) (s *gatewayv1.GetStatusResponse) {
	t.Helper()
	eventually(t, "a pool locked by "+strings.Join(locks, ", "), func(ctx context.Context) (bool, error) {
		var err error
		s, err = api.Status(ctx)
		return err == nil && slices.Equal(s.GetPool().GetLockedBy(), locks), err
	})
	return s
}

// A stalled rollup stops production and nothing else: transactions are still accepted, also when the producer is killed
// meanwhile, and are in blocks soon after the rollup continues.
func TestProductionStopsWhileTheRollupIsStalled(t *testing.T) {
	t.Parallel()
	rollup := rollupnodetest.Start()
	t.Cleanup(rollup.Close)
	c := start(t, cluster.Options{Args: map[string][]string{cluster.Producer: {
		"--rollup-node", rollup.URL, "--rollup-poll", "50ms", "--max-blueprints-lag", "4", "--max-blueprints-ahead", "8", "--max-blueprints-catchup", "3",
	}}})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 4)
	t.Cleanup(api.Close)

	var head uint64
	for range 2 * ahead { // the rollup keeps up
		answer, err := api.ProduceBlock(t.Context(), "", "")
		must(t, err)
		head = answer.GetBlock().GetNumber()
		eventually(t, "the rollup's blueprint", func(context.Context) (bool, error) {
			rollup.Advance(1)
			return rollup.Executed() == head, nil
		})
	}
	eventually(t, "a status with all of them confirmed", func(ctx context.Context) (bool, error) {
		s, err := api.Status(ctx)
		return err == nil && s.GetRollup().GetConfirmedNumber() >= head, err
	})

	rollup.SetAway(true)
	var refused *gatewayv1.ProduceBlockResponse
	eventually(t, "a block refused", func(ctx context.Context) (bool, error) {
		var err error
		refused, err = api.ProduceBlock(ctx, "", "")
		return err == nil && refused.GetNoBlock() != nil, err
	})
	if reason := refused.GetNoBlock().GetReason(); reason != "pool_locked" {
		t.Fatalf("refused because of %s", reason)
	}
	stopped := awaitPool(t, api, "back_pressure").GetHead().GetNumber()
	if missing := stopped - rollup.Executed(); missing != ahead+1 {
		t.Fatalf("the chain stopped with %d blueprints missing", missing)
	}
	if !strings.Contains(metricsOf(t, c, cluster.Producer), "blindseq_producer_back_pressure 1") {
		t.Error("the metrics do not say it")
	}

	var waiting []*types.Transaction
	transfer := func() {
		tx, err := accounts[0].Transfer(accounts[1].Address)
		must(t, err)
		must(t, client.SendTransaction(t.Context(), tx))
		waiting = append(waiting, tx)
	}
	transfer()
	must(t, c.Process(cluster.Producer).Kill())
	must(t, c.Process(cluster.Producer).Start())
	must(t, c.Process(cluster.Producer).AwaitReady(t.Context()))
	if s := awaitPool(t, api, "back_pressure"); s.GetHead().GetNumber() != stopped {
		t.Fatalf("the head advanced from %d to %d", stopped, s.GetHead().GetNumber())
	}
	transfer()
	_, err := client.TransactionReceipt(t.Context(), waiting[0].Hash())
	if err == nil {
		t.Fatal("a transaction is in a block of a locked pool")
	}

	rollup.SetAway(false)
	back := time.Now()
	eventually(t, "the rollup near, and the pool unlocked", func(ctx context.Context) (bool, error) {
		rollup.Advance(2)
		s, err := api.Status(ctx)
		return err == nil && !s.GetPool().GetLocked(), err
	})
	for _, tx := range waiting {
		receipt(t, client, tx.Hash())
	}
	head = headAbove(t, client, stopped)
	eventually(t, "all of it executed by the rollup", func(context.Context) (bool, error) {
		rollup.Advance(ahead)
		return rollup.Executed() >= head, nil
	})
	t.Logf("stopped at block %d, continued %s after the rollup; %d pushes of %d blueprints", stopped, time.Since(back).Round(time.Millisecond),
		len(rollup.Pushed()), rollup.Executed())
}

// metricsOf is what a service shows at /metrics.
func metricsOf(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Ops(name)+"/metrics", nil)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	return string(raw)
}
