package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/network"

	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	proposerB = "proposer-b"
	// asideEnv is how often each leader is cut from each service, the direction changing each time.
	asideEnv = "BLINDSEQ_E2E_ASIDE"
	// asideWithin is how soon another leads when the leader cannot do its work.
	asideWithin = 15 * time.Second
)

// asides is a cluster whose leaders are cut from what they need.
type asides struct {
	*observation
	network *network.Network
	head    *ethclient.Client // of the gateway
	names   []string          // of the replicas that may lead
	leads   func(t *testing.T, ctx context.Context, name string) bool
}

// asideWait is short here, so that a test does not wait for who stepped aside.
var asideWait = []string{"--aside-wait", "300ms"}

// A producer that leads is cut from what it needs, in one direction at a time; another leads, nothing is lost, and the one that was
// cut stands by again.
func TestALeaderThatIsCutOffStepsAside(t *testing.T) {
	t.Parallel()
	args := slices.Concat(asideWait, []string{"--ack-replicas", "1", "--time-between-blocks", "200ms"})
	c, n := networked(t, cluster.Options{
		Replicas: []cluster.Replica{{Name: standbyB}}, Args: map[string][]string{cluster.Producer: args, standbyB: args},
	})
	client, accounts := wallet(t, c)
	a := &asides{
		observation: watched(t, c, client, accounts[:2], 50*time.Millisecond), network: n, head: client, names: []string{cluster.Producer, standbyB},
		leads: func(t *testing.T, _ context.Context, name string) bool {
			return metric(t, c, name, "blindseq_producer_leading") == 1
		},
	}
	a.progress(t)
	callers := "other producers, " + cluster.Proposer + " and " + cluster.Gateway + " (gRPC)"
	for repeat := range repeats(t) {
		for i, of := range []struct {
			what string
			link func(leader string) *network.Link
		}{
			{"monitor-svc", func(leader string) *network.Link { return n.Between(leader, cluster.Monitor) }},
			{"proposer-svc", func(leader string) *network.Link { return n.Between(leader, cluster.Proposer) }},
			{"Redis", func(leader string) *network.Link { return n.Between(leader, cluster.Redis) }},
			{"its callers", func(leader string) *network.Link { return n.Between(callers, leader) }},
		} {
			a.cut(t, of.what, (repeat+i)%2 == 0, of.link)
		}
	}
	a.cutAll(t, cluster.Monitor)
	a.judge(t)
}

// The same for the active proposer.
func TestAnActiveProposerThatIsCutOffStepsAside(t *testing.T) {
	t.Parallel()
	c, n := networked(t, cluster.Options{
		Proposers: []string{proposerB}, Args: map[string][]string{cluster.Proposer: asideWait, proposerB: asideWait},
	})
	client, accounts := wallet(t, c)
	a := &asides{
		observation: watched(t, c, client, accounts[:2], 50*time.Millisecond), network: n, head: client, names: []string{cluster.Proposer, proposerB},
		leads: func(t *testing.T, _ context.Context, name string) bool {
			return metric(t, c, name, "blindseq_proposer_active") == 1
		},
	}
	a.progress(t)
	for repeat := range repeats(t) {
		for i, service := range []string{cluster.DSN, cluster.Monitor, cluster.Redis} {
			if service == cluster.Redis { // requests come to the first one, which has to be able to take them
				a.beLed(t, proposerB)
			}
			a.cut(t, service, (repeat+i)%2 == 0, func(leader string) *network.Link { return n.Between(leader, service) })
		}
	}
	a.judge(t)
}

func repeats(t *testing.T) int {
	t.Helper()
	text := os.Getenv(asideEnv)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// cut loses what the leader sends to a service, or what it is sent by it, until another leads and makes blocks.
func (a *asides) cut(t *testing.T, what string, requests bool, link func(leader string) *network.Link) {
	t.Helper()
	was := a.led(t, "")
	a.whole(t)
	l := link(was)
	if l == nil {
		t.Fatalf("no link between %s and %s", was, what)
	}
	if requests {
		must(t, l.SwallowRequests())
	} else {
		must(t, l.SwallowAnswers())
	}
	began := time.Now()
	now := a.led(t, was)
	led := time.Since(began)
	advances(t, a.head)
	took := time.Since(began)
	t.Logf("%s cut from %s (requests: %v): %s leads after %s, a block after %s", was, what, requests, now,
		led.Round(time.Millisecond), took.Round(time.Millisecond))
	if led > asideWithin {
		t.Errorf("%s cut from %s: another led after %s, at most %s are allowed", was, what, led, asideWithin)
	}
	must(t, l.Repair(t.Context()))
	advances(t, a.head)
}

// cutAll cuts every replica from a service: nobody could do better, so nothing moves, and readiness says what is wrong.
func (a *asides) cutAll(t *testing.T, service string) {
	t.Helper()
	was := a.led(t, "")
	a.whole(t)
	for _, name := range a.names {
		must(t, a.network.Between(name, service).SwallowAnswers())
	}
	eventually(t, was+" says what it cannot reach", func(context.Context) (bool, error) {
		reasons, _ := healthOf(t, a.c, was)
		return strings.Contains(reasons["leading"], "cannot reach "+service) && strings.Contains(reasons["leading"], ", since "), fmt.Errorf("reasons: %v", reasons)
	})
	wait(t, 2*time.Second) // a few looks at rivals
	if now := a.led(t, ""); now != was {
		t.Errorf("%s leads after all were cut from %s, %s did before", now, service, was)
	}
	must(t, a.network.Repair(t.Context()))
	advances(t, a.head)
}

// led waits until a replica leads, another than not, and returns its name.
func (a *asides) led(t *testing.T, not string) (name string) {
	t.Helper()
	eventually(t, "a leader other than "+not, func(ctx context.Context) (bool, error) {
		for _, one := range a.names {
			if one != not && a.leads(t, ctx, one) {
				name = one
				return true, nil
			}
		}
		return false, nil
	})
	return name
}

// whole waits until nothing is wrong with any replica, and none waits: then each could lead.
func (a *asides) whole(t *testing.T) {
	t.Helper()
	for _, name := range a.names {
		eventually(t, name+" is whole", func(context.Context) (bool, error) {
			notes := a.notes(t, name)
			return notes["aside"] == "" && metric(t, a.c, name, "blindseq_leader_fault_seconds") == 0, fmt.Errorf("its notes: %v", notes)
		})
	}
}

// beLed has a replica lead, by hand where it does not.
func (a *asides) beLed(t *testing.T, name string) {
	t.Helper()
	was := a.led(t, "")
	if was == name {
		return
	}
	a.whole(t)
	eventually(t, was+" hands over", func(ctx context.Context) (bool, error) {
		status, text, err := handOver(ctx, a.c.Ops(was))
		return status == http.StatusNoContent, fmt.Errorf("%d %s (%w)", status, text, err)
	})
	if now := a.led(t, was); now != name {
		t.Fatalf("%s leads, not %s", now, name)
	}
}

func (a *asides) notes(t *testing.T, name string) map[string]string {
	t.Helper()
	_, notes := healthOf(t, a.c, name)
	return notes
}

func handOver(ctx context.Context, ops string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+ops+"/v1/admin/handover", nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
