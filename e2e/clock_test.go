package e2e

import (
	"math/big"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/seal/rules"
)

// clockAhead is the step that sets the clock forward from which a producer takes timestamps, by so many seconds.
const clockAhead = "clockAhead"

// The leader's clock is 30 days ahead for 3 s. The sequencer refuses what it proposes meanwhile, its requests end with the reason, and
// blocks continue at the right time afterwards.
func TestALeaderWhoseClockIsFarAheadDoesNotTakeTheChainThere(t *testing.T) {
	t.Parallel()
	bin, _ := withFailpoints(t)
	c := startFrom(t, bin, cluster.Options{
		Keyholders: 4, Threshold: 3, Failpoints: true, Args: map[string][]string{cluster.Producer: {"--time-between-blocks", "200ms"}},
	})
	client, accounts := wallet(t, c)
	o := watched(t, c, client, accounts[:2], 50*time.Millisecond)
	o.progress(t)

	const month, wrong = 30 * 24 * time.Hour, 3 * time.Second
	points := c.Failpoints(cluster.Producer)
	must(t, points.Give(t.Context(), clockAhead, int(month.Seconds())))
	wait(t, wrong)
	must(t, points.Disarm(t.Context(), clockAhead))
	began, head := time.Now(), headAbove(t, client, 0)
	o.progress(t)
	t.Logf("the clock is right again: %d blocks %s later", headAbove(t, client, 0)-head, time.Since(began).Round(time.Millisecond))

	if n := metric(t, c, cluster.Proposer, `blindseq_proposer_no_preblock_total{reason="timestamp_ahead"}`); n == 0 {
		t.Error("no request ended for its timestamp")
	}
	last := headAbove(t, client, 0)
	for n := uint64(1); n <= last; n++ {
		header, err := client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(n))
		must(t, err)
		if at := time.Unix(int64(header.Time), 0); time.Until(at) > rules.ClockSkew {
			t.Errorf("block %d is of %s", n, at)
		}
	}
	o.stopLoad()
	o.load.Wait()
	o.awaitReceipts(t)
	o.judge(t)
}
