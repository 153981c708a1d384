package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/kit/certs/certstest"
	"blindseq/kit/grpckit"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/ethclient"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Authority and certificates of all programs are exchanged on disk while callers make blocks, send transactions and read, and
// streams are open to every service. No request fails and no stream ends; then everything still works with new connections alone,
// and a certificate that ends is noticed.
func TestCertificatesAreExchangedUnderLoad(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	ack := []string{"--ack-replicas", "1"}
	c := start(t, cluster.Options{
		TLS: before, Keyholders: 4, Threshold: 3, Bundler: true,
		Replicas: []cluster.Replica{{Name: standbyB}}, Args: map[string][]string{cluster.Producer: ack, standbyB: ack},
	})
	after.Hosts = before.Hosts
	client, accounts := wallet(t, c)
	o := watched(t, c, client, nil, 0)
	s := o.strictly(t, accounts[:2])
	s.eventually(t, "each kind of request answered", 5)
	open := openOnce(t, c)

	exchanges := 0
	step := func(what string, do func(dir, name string) error) {
		t.Helper()
		for _, name := range c.Certified() {
			must(t, do(c.CertificateDir(name), c.CommonName(name)))
		}
		exchanges++
		for _, name := range c.Names() {
			awaitLog(t, c, name, "certificate exchanged", exchanges)
		}
		s.eventually(t, "requests answered after "+what, 5)
	}
	step("both authorities were trusted", func(dir, _ string) error { return certstest.Trust(dir, before, after) })
	step("the certificates were exchanged", func(dir, name string) error {
		_, err := after.Write(dir, name, 12*time.Hour, before)
		return err
	})
	step("the old authority was trusted no more", func(dir, _ string) error { return certstest.Trust(dir, after) })
	open.check(t)

	for _, name := range []string{cluster.Monitor, cluster.Proposer, cluster.DSN, o.standby(t), o.leader(t)} {
		s.restart(t, name)
		s.eventually(t, "requests answered over new connections to "+name, 5)
	}
	s.end()
	t.Logf("%d blocks on demand, %d transactions, %d reads: %d requests failed; %d messages on %d streams",
		s.blocks.Load(), s.sent.Load(), s.reads.Load(), s.failed.Load(), open.messages.Load(), open.streams)

	bundler, err := ethclient.DialContext(t.Context(), c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	tx, err := accounts[2].Transfer(accounts[2].Address)
	send(t, bundler, tx, err) // which asks its observer
	strangersAreRefused(t, c, before, after)
	endIsNoticed(t, c, after)
	o.judge(t)
}

func newAuthority(t *testing.T) *certstest.Authority {
	t.Helper()
	a, err := certstest.NewAuthority()
	must(t, err)
	return a
}

// awaitLog waits until a process has written a log line so many times.
func awaitLog(t *testing.T, c *cluster.Cluster, name, message string, times int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s: %q in its log", name, message), func(context.Context) (bool, error) {
		n := strings.Count(string(c.Process(name).Tail(1<<20)), message)
		return n >= times, fmt.Errorf("%d of %d times", n, times)
	})
}

// opened are streams that must not end.
type opened struct {
	streams  int
	messages atomic.Int64
	ended    chan string
}

// openOnce opens a stream to every service that has one, and never again.
func openOnce(t *testing.T, c *cluster.Cluster) *opened {
	t.Helper()
	o := &opened{ended: make(chan string, 16)}
	ctx := t.Context()
	follow := func(name string, next receiver, err error) {
		must(t, err)
		o.streams++
		go func() {
			for {
				if err := next(); err != nil {
					o.ended <- fmt.Sprintf("%s: %v", name, err)
					return
				}
				o.messages.Add(1)
			}
		}()
	}
	next, err := receive(dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: 1}))
	follow("preblocks of the sequencer", next, err)
	next, err = receive(preblockv1.NewMonitorServiceClient(c.Conn(cluster.Monitor)).StreamPreblocks(ctx, &preblockv1.StreamPreblocksRequest{FromNumber: 1}))
	follow("preblocks of the monitor", next, err)
	next, err = receive(blueprintv1.NewProducerServiceClient(c.Conn(cluster.Producer)).StreamBlueprints(ctx, &blueprintv1.StreamBlueprintsRequest{FromNumber: 1}))
	follow("blueprints of the producer", next, err)
	next, err = receive(gatewayv1.NewGatewayServiceClient(c.Conn(cluster.Gateway)).StreamBlueprints(ctx, &gatewayv1.StreamBlueprintsRequest{From: 1}))
	follow("blueprints of the gateway", next, err)
	next, err = newHeads(ctx, c.WS)
	follow("heads over a WebSocket", next, err)
	return o
}

func (o *opened) check(t *testing.T) {
	t.Helper()
	had := o.messages.Load()
	eventually(t, "messages on the open streams", func(context.Context) (bool, error) { return o.messages.Load() > had+int64(o.streams), nil })
	select {
	case ended := <-o.ended:
		t.Errorf("a stream ended: %s", ended)
	default:
	}
}

// strangersAreRefused: whoever has a certificate of the old authority, and another service with one of the new one.
func strangersAreRefused(t *testing.T, c *cluster.Cluster, before, after *certstest.Authority) {
	t.Helper()
	for _, one := range []struct {
		who  string
		by   *certstest.Authority
		want codes.Code
	}{{"sequencer", before, codes.Unavailable}, {"bundler", after, codes.PermissionDenied}, {"keyholder-1", after, codes.PermissionDenied}, {"api-gw", after, codes.PermissionDenied}} {
		files, err := one.by.Write(t.TempDir(), one.who, time.Hour, before, after)
		must(t, err)
		conn, err := grpckit.Dial(c.GRPC(cluster.Keyholder(0)), files)
		must(t, err)
		_, err = keyholderv1.NewKeyholderServiceClient(conn).Attest(t.Context(), &keyholderv1.AttestRequest{})
		conn.Close()
		if status.Code(err) != one.want {
			t.Errorf("a certificate of %s asks a keyholder to attest: %v, want %s", one.who, err, one.want)
		}
	}
	if n := metric(t, c, cluster.Keyholder(0), `blindseq_refused_calls_total{method="/blindseq.keyholder.v1.KeyholderService/Attest",role="bundler"}`); n != 1 {
		t.Errorf("%v refused calls of the bundler were counted", n)
	}
}

// endIsNoticed: a process whose certificate has ended says so in its readiness, its log and a metric, and recovers.
func endIsNoticed(t *testing.T, c *cluster.Cluster, a *certstest.Authority) {
	t.Helper()
	dir, name := c.CertificateDir(cluster.Proposer), c.CommonName(cluster.Proposer)
	_, err := a.Write(dir, name, -time.Second)
	must(t, err)
	awaitLog(t, c, cluster.Proposer, "certificate has ended", 1)
	if left := metric(t, c, cluster.Proposer, "blindseq_certificate_seconds_left"); left >= 0 {
		t.Errorf("%v seconds are left", left)
	}
	res, err := http.Get("http://" + c.Ops(cluster.Proposer) + "/readyz")
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "the certificate ended at") {
		t.Errorf("readiness: %d %s", res.StatusCode, text)
	}
	_, err = a.Write(dir, name, time.Hour)
	must(t, err)
	eventually(t, "the proposer ready again", func(ctx context.Context) (bool, error) {
		err := c.Process(cluster.Proposer).AwaitReady(ctx)
		return err == nil, err
	})
}
