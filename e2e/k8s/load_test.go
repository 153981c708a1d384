package k8s

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/history"
	"blindseq/e2e/k8s/kube"
	"blindseq/e2e/load"
	"blindseq/e2e/observe"
	"blindseq/e2e/rest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
)

// run is a deployment under load: transfers sent to the gateway and through the bundler, reads, and blocks on demand. What
// users see is recorded.
type run struct {
	*history.Recorder
	s    *system
	stop context.CancelFunc
	load sync.WaitGroup

	sent, read, demanded *meter // at the gateway
	bundled              *meter // reads through the bundlers
	calls                atomic.Int64
	whole, phase         standstill // of the head: in the run, and since a phase of it began
}

// standstill is the longest wait between two heads.
type standstill struct {
	mu       sync.Mutex
	longest  time.Duration
	from, to uint64        // the heads
	at       time.Duration // when it ended
}

func (s *standstill) note(took time.Duration, from, to uint64, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if took > s.longest {
		s.longest, s.from, s.to, s.at = took, from, to, at
	}
}

// begin forgets what was before, and returns it.
func (s *standstill) begin() (longest time.Duration, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	longest = s.longest
	text = fmt.Sprintf("the head stood still for at most %s (%d to %d, until %s)",
		longest.Round(time.Millisecond), s.from, s.to, s.at.Round(time.Millisecond))
	s.longest = 0
	return longest, text
}

// Requests of the load: each caller makes one after the other.
const (
	sendEvery   = 100 * time.Millisecond
	demandEvery = 250 * time.Millisecond
	readEvery   = 50 * time.Millisecond
)

// underLoad starts the load; it ends with judge, or with the test.
func (s *system) underLoad(t *testing.T) *run {
	t.Helper()
	if !s.direct {
		t.Skip("needs a way to the Services, since a forwarded port ends with its pod: `make k8s-e2e` on a node of the cluster has one")
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &run{Recorder: history.NewRecorder(), s: s, stop: stop}
	t.Cleanup(func() { stop(); r.load.Wait() })
	r.sent, r.read, r.demanded = r.meter(false), r.meter(true), r.meter(true)
	r.bundled = r.meter(true)
	accounts := s.accounts(t)
	wallets := through(t, s.rpcURL, r.sent)
	for _, a := range accounts[:3] {
		r.stream(ctx, t, wallets, a)
	}
	r.stream(ctx, t, s.wallets, accounts[3])
	r.load.Go(func() { r.demand(ctx) })
	reader := through(t, s.rpcURL, r.read)
	r.load.Go(func() { r.watch(ctx, reader) })
	r.load.Go(func() { look(ctx, reader, accounts[0].Address) })
	bundler := through(t, s.walletURL, r.bundled)
	r.load.Go(func() { look(ctx, bundler, accounts[0].Address) })
	return r
}

// meter counts requests; apart means that each has a connection of its own, so that any gateway may be the one that answers.
func (r *run) meter(apart bool) *meter {
	return &meter{now: r.Now, next: &http.Transport{DisableKeepAlives: apart, MaxIdleConnsPerHost: 16}}
}

func through(t *testing.T, url string, m *meter) *ethclient.Client {
	t.Helper()
	client, err := rpc.DialOptions(t.Context(), url, rpc.WithHTTPClient(&http.Client{Transport: m}))
	must(t, err)
	t.Cleanup(client.Close)
	return ethclient.NewClient(client)
}

// stream sends transfers of an account as a wallet does, which sends again what failed, and asks for its nonce when those
// before have ended: sealed ones that were ordered in another order than that of their nonces.
func (r *run) stream(ctx context.Context, t *testing.T, client *ethclient.Client, a *load.Account) {
	r.load.Go(func() {
		for ctx.Err() == nil {
			err := load.Stream(ctx, client, a, sendEvery, r.Recorder)
			if err != nil && strings.Contains(err.Error(), "nonce too high") {
				t.Logf("at %s: %v", r.Now().Round(time.Millisecond), err)
				a.Nonce, err = client.PendingNonceAt(ctx, a.Address)
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("load of %s: %v", a.Address, err)
				return
			}
		}
	})
}

// demand makes a block every now and then. A request is made once: its failure is one.
func (r *run) demand(ctx context.Context) {
	api := rest.NewVia(r.s.rest, r.demanded, r.s.authorization())
	every(ctx, demandEvery, func() {
		id := fmt.Sprintf("k8s-%d-%d", time.Now().UnixNano(), r.calls.Add(1))
		call := history.Call{Request: id, Start: r.Now()}
		answer, err := api.ProduceBlock(ctx, id, "")
		if ctx.Err() != nil {
			return
		}
		if call.End = r.Now(); err != nil {
			call.Err = err.Error()
		} else if b := answer.GetBlock(); b != nil {
			call.Number, call.Hash, call.Transactions = b.GetNumber(), common.HexToHash(b.GetHash()), b.GetTransactions()
		} else {
			call.Reason = answer.GetNoBlock().GetReason()
		}
		r.Add(func(h *history.History) { h.Calls = append(h.Calls, call) })
	})
}

// watch measures how long the head stands still.
func (r *run) watch(ctx context.Context, client *ethclient.Client) {
	head, since := uint64(0), r.Now()
	every(ctx, readEvery, func() {
		n, err := client.BlockNumber(ctx)
		if err != nil || n <= head {
			return
		}
		now := r.Now()
		if head > 0 {
			r.whole.note(now-since, head, n, now)
			r.phase.note(now-since, head, n, now)
		}
		head, since = n, now
	})
}

// awaitProgress waits until the head has advanced twice, so that a standstill is over and was measured.
func (r *run) awaitProgress(t *testing.T) {
	t.Helper()
	head, err := r.s.rpc.BlockNumber(t.Context())
	must(t, err)
	eventually(t, "two more blocks", func(ctx context.Context) (bool, error) {
		n, err := r.s.rpc.BlockNumber(ctx)
		return n >= head+2, err
	})
}

// redisIsLost tells the judge that proposers may count attempts anew.
func (r *run) redisIsLost() { r.Add(func(h *history.History) { h.Wiped = true }) }

// look reads what is spread over all replicas.
func look(ctx context.Context, client *ethclient.Client, account common.Address) {
	every(ctx, readEvery, func() { _, _ = client.BalanceAt(ctx, account, nil) }) // the meter has the error
}

func every(ctx context.Context, pace time.Duration, do func()) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// acks is how many transactions have been acknowledged so far.
func (r *run) acks() (n int) {
	r.Add(func(h *history.History) { n = len(h.Acks) })
	return n
}

// someAcks waits until more transactions have been acknowledged.
func (r *run) someAcks(t *testing.T) {
	t.Helper()
	before := r.acks()
	eventually(t, "more acknowledged transactions", func(context.Context) (bool, error) { return r.acks() > before+50, nil })
}

// end ends the load, waits until what was acknowledged is in blocks, and reads what every replica shows.
func (r *run) end(t *testing.T) *history.History {
	t.Helper()
	r.stop()
	r.load.Wait()
	last := map[string]history.Ack{} // of each account: what it sent before is in blocks before
	r.Add(func(h *history.History) {
		for _, a := range h.Acks {
			last[a.By] = a
		}
	})
	for _, ack := range last {
		eventually(t, "the end of "+ack.Tx.Hex(), func(ctx context.Context) (bool, error) {
			var is struct{ Status string }
			err := r.s.rpc.Client().CallContext(ctx, &is, "te_getTransactionStatus", ack.Tx)
			return is.Status == "included" || is.Status == "skipped", err
		})
	}
	head, err := observe.Blocks(t.Context(), r.s.rpc, "gateway", r.Recorder)
	must(t, err)
	for _, name := range []string{"producer-svc", "producer-observer"} {
		pods, err := r.s.Pods(t.Context(), name)
		must(t, err)
		for _, p := range pods {
			r.readReplica(t, p, head)
		}
	}
	monitors, err := r.s.Pods(t.Context(), "monitor-svc")
	must(t, err)
	must(t, observe.Preblocks(t.Context(), dial(t, kube.Address(monitors[0], "grpc")), head, r.Recorder))
	return r.History()
}

// readReplica records what a producer or observer has, once it has it all.
func (r *run) readReplica(t *testing.T, pod corev1.Pod, head uint64) {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), "http://"+kube.Address(pod, "rpc"))
	must(t, err)
	defer client.Close()
	eventually(t, pod.Name+" at "+strconv.FormatUint(head, 10), func(ctx context.Context) (bool, error) {
		n, err := client.BlockNumber(ctx)
		return n >= head, cmp.Or(err, fmt.Errorf("it is at %d", n))
	})
	_, err = observe.Blocks(t.Context(), client, pod.Name, r.Recorder)
	must(t, err)
	if strings.HasPrefix(pod.Name, "producer-svc") { // an observer has no key to sign blueprints with, and publishes none
		must(t, observe.Blueprints(t.Context(), dial(t, kube.Address(pod, "grpc")), pod.Name, head, r.Recorder))
	}
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// judge ends the run and fails the test for every invariant that its history contradicts. It prints the figures, and returns
// how many acknowledged transactions ended with a reason and not in a block.
func (r *run) judge(t *testing.T) (skipped int) {
	t.Helper()
	h := r.end(t)
	violations := history.Check(h)
	for _, v := range violations {
		t.Error(v)
	}
	inBlocks := map[common.Hash]bool{}
	for _, b := range h.Blocks {
		for _, tx := range b.Value.Transactions {
			inBlocks[tx] = true
		}
	}
	for _, a := range h.Acks {
		if !inBlocks[a.Tx] {
			skipped++
		}
	}
	made := 0
	for _, c := range h.Calls {
		if c.Number > 0 {
			made++
		}
	}
	_, still := r.whole.begin()
	t.Logf("%d violations; %d blocks; %d transactions acknowledged, of which %d ended with a reason and not in a block; %d blocks on demand; %s",
		len(violations), h.Head, len(h.Acks), skipped, made, still)
	if len(h.Acks) == 0 || made == 0 {
		t.Error("there was no load")
	}
	for kind, m := range r.meters() {
		answered, failures := m.report()
		t.Logf("%s: %d requests at the gateway, %d failed", kind, answered, len(failures))
		for _, line := range spells(failures) {
			t.Logf("%s failed: %s", kind, line)
		}
	}
	return skipped
}

// noneFailed fails the test for every request at the gateway that had no good answer.
func (r *run) noneFailed(t *testing.T) {
	t.Helper()
	for kind, m := range r.meters() {
		noneFailed(t, kind, m)
	}
}

func noneFailed(t *testing.T, kind string, m *meter) {
	t.Helper()
	if answered, failures := m.report(); len(failures) > 0 {
		t.Errorf("%d of %d requests failed (%s)", len(failures), answered, kind)
	}
}

func (r *run) meters() map[string]*meter {
	return map[string]*meter{"transactions": r.sent, "reads": r.read, "produce_block": r.demanded}
}
