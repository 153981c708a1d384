package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	standbyB = "producer-b"
	standbyC = "producer-c"
	observer = "observer"

	// leaderWithin is how soon another producer must lead after one was killed, with a lease of 3 s.
	leaderWithin = 10 * time.Second
)

// A leader is killed under load with SIGKILL and comes back as a standby; then the one that leads now is killed and its
// disk deleted. Every acknowledged transaction is in exactly one block.
func TestAStandbyLeadsWhenTheLeaderIsKilledAndWhenItsDiskIsLost(t *testing.T) {
	t.Parallel()
	ack := []string{"--ack-replicas", "1"}
	c := start(t, cluster.Options{
		Replicas: []cluster.Replica{{Name: standbyB}, {Name: standbyC}, {Name: observer, Observer: true}},
		Args:     map[string][]string{cluster.Producer: ack, standbyB: ack, standbyC: ack},
	})
	client, accounts := wallet(t, c)
	o := watched(t, c, client, accounts[:4], 20*time.Millisecond)
	o.progress(t)

	killed := o.killLeader(t, false)
	restart(t, c, killed)
	if role := roleOf(t, c, killed); !strings.HasPrefix(role, "standby of ") {
		t.Errorf("the former leader came back as %q", role)
	}
	o.progress(t)

	killed = o.killLeader(t, true)
	restart(t, c, killed)
	o.progress(t)

	for range 3 { // it is back before its lease is over, as in a pod; a standby goes first all the same
		killed, head := o.leader(t), headAbove(t, client, 0)
		must(t, c.Process(killed).Kill())
		restart(t, c, killed)
		headAbove(t, client, head+1)
		if now := o.leader(t); now == killed {
			t.Errorf("%s, killed and started again at once, leads", now)
		}
		o.progress(t)
	}

	if reads := metric(t, c, cluster.Gateway, `blindseq_gateway_reads_total{by="replica"}`); reads == 0 {
		t.Error("no read was answered by a replica")
	}
	o.stopLoad()
	o.load.Wait()
	o.awaitReceipts(t)
	sameState(t, c, client)
	o.judge(t)
}

func restart(t *testing.T, c *cluster.Cluster, name string) {
	t.Helper()
	must(t, c.Process(name).Start())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, c.Process(name).AwaitReady(ctx))
}

// killLeader kills who leads, and its disk too if wanted, and returns its name when another has made a block.
func (o *observation) killLeader(t *testing.T, disk bool) string {
	t.Helper()
	name := o.leader(t)
	head := headAbove(t, o.client, 0)
	must(t, o.c.Process(name).Kill())
	began := time.Now()
	if disk {
		must(t, os.RemoveAll(o.c.DataDir(name)))
	}
	headAbove(t, o.client, head+1) // one more: the killed one may have made a block since we looked
	took := time.Since(began)
	t.Logf("%s killed (disk deleted: %v): next block %s later, %s leads", name, disk, took.Round(time.Millisecond), o.leader(t))
	if took > leaderWithin {
		t.Errorf("it took %s until the next block, at most %s are allowed", took, leaderWithin)
	}
	return name
}

// leader is the process that leads.
func (o *observation) leader(t *testing.T) (name string) {
	t.Helper()
	eventually(t, "a leading producer", func(ctx context.Context) (bool, error) {
		for _, one := range []string{cluster.Producer, standbyB, standbyC} {
			if p := o.c.Process(one); p == nil || p.PID() == 0 {
				continue
			}
			status, err := blueprintv1.NewProducerServiceClient(o.c.Conn(one)).GetStatus(ctx, &blueprintv1.GetStatusRequest{})
			if err == nil && status.GetLeader() {
				name = one
				return true, nil
			}
		}
		return false, nil
	})
	return name
}

// metric is the value of one metric of a process; 0 when it is not there.
func metric(t *testing.T, c *cluster.Cluster, name, series string) (value float64) {
	t.Helper()
	res, err := http.Get("http://" + c.Ops(name) + "/metrics")
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if after, found := strings.CutPrefix(line, series+" "); found {
			value, err = strconv.ParseFloat(strings.TrimSpace(after), 64)
			must(t, err)
		}
	}
	return value
}

// roleOf is what a producer's readiness says of its role.
func roleOf(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	_, notes := healthOf(t, c, name)
	return notes["role"]
}

// healthOf is why a process is not ready, and what it notes besides.
func healthOf(t *testing.T, c *cluster.Cluster, name string) (reasons, notes map[string]string) {
	t.Helper()
	res, err := http.Get("http://" + c.Ops(name) + "/readyz")
	must(t, err)
	defer res.Body.Close()
	var body struct {
		Reasons map[string]string `json:"reasons"`
		Notes   map[string]string `json:"notes"`
	}
	must(t, json.NewDecoder(res.Body).Decode(&body))
	return body.Reasons, body.Notes
}

// sameState waits until every replica has the block that the leader had when it was called, with the same state root.
func sameState(t *testing.T, c *cluster.Cluster, client *ethclient.Client) {
	t.Helper()
	want, err := client.HeaderByNumber(t.Context(), nil)
	must(t, err)
	for _, name := range []string{cluster.Producer, standbyB, standbyC, observer} {
		one, err := ethclient.DialContext(t.Context(), c.RPCOf(name))
		must(t, err)
		eventually(t, fmt.Sprintf("block %d at %s", want.Number, name), func(ctx context.Context) (bool, error) {
			got, err := one.HeaderByNumber(ctx, want.Number)
			if err == nil && (got.Root != want.Root || got.Hash() != want.Hash()) {
				t.Fatalf("block %d of %s has root %s, the leader's has %s", want.Number, name, got.Root, want.Root)
			}
			return err == nil, err
		})
		one.Close()
	}
}
