package e2e

import (
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// chainFlushFails is the step at which go-ethereum's database is written in the background.
const chainFlushFails = "chainFlushFails"

// TestAStandbyLeadsWhenTheLeadersDatabaseCannotBeWritten: the leader's process ends with the error, a standby leads within the
// lease, nothing acknowledged is lost, and the former leader stands by after a restart.
func TestAStandbyLeadsWhenTheLeadersDatabaseCannotBeWritten(t *testing.T) {
	t.Parallel()
	bin, _ := withFailpoints(t)
	ack := []string{"--ack-replicas", "1"}
	c := startFrom(t, bin, cluster.Options{
		Failpoints: true,
		Replicas:   []cluster.Replica{{Name: standbyB}, {Name: standbyC}},
		Args:       map[string][]string{cluster.Producer: ack, standbyB: ack, standbyC: ack},
	})
	client, accounts := wallet(t, c)
	o := watched(t, c, client, accounts[:4], 20*time.Millisecond)
	o.progress(t)

	broken := o.leader(t)
	p := c.Process(broken)
	ctx, cancel := bounded(t)
	defer cancel()
	const why = "input/output error"
	must(t, c.Failpoints(broken).Fail(ctx, chainFlushFails, why))
	err := p.Await(ctx)
	ended := time.Now()
	if output := string(p.Tail(4096)); err == nil || !strings.Contains(output, why) {
		t.Fatalf("%s ended with %v and does not say why:\n%s", broken, err, output)
	}
	headAbove(t, client, headAbove(t, client, 0))
	if took := time.Since(ended); took > leaderWithin {
		t.Errorf("it took %s until the next block, at most %s are allowed", took, leaderWithin)
	}
	if now := o.leader(t); now == broken {
		t.Errorf("%s still leads", now)
	}
	restart(t, c, broken)
	if role := roleOf(t, c, broken); !strings.HasPrefix(role, "standby of ") {
		t.Errorf("the former leader came back as %q", role)
	}
	o.progress(t)
	o.stopLoad()
	o.load.Wait()
	o.awaitReceipts(t)
	o.judge(t)
}
