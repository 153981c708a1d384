package abuse

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/observe"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/ethclient"
)

// shortRun is the attack's time in a run of all tests, and of idling before any.
const shortRun = 15 * time.Second

// slowdown is how many times the idle value an honest wallet may wait, at the median and at the 99th percentile.
const slowdown = 3

// scene is a system with honest wallets, one plain and one that seals, and attackers.
type scene struct {
	c             *cluster.Cluster
	client        *ethclient.Client
	r             *history.Recorder
	plain, sealed *honest
	at            where
	attacked      map[string]counts // by attack
}

func newScene(t *testing.T) *scene {
	t.Helper()
	c, direct := startOpen(t)
	s := &scene{c: c, r: history.NewRecorder(), at: where{c.RPC, c.WS, direct}}
	by, err := committee.Read(s.c.Keys.Committee)
	must(t, err)
	s.client, err = s.c.Eth(t.Context())
	must(t, err)
	t.Cleanup(s.client.Close)
	accounts := developers(t)
	s.plain = newHonest(t, s.c.RPC, nil, accounts[0], s.r)
	s.sealed = newHonest(t, s.c.RPC, by, accounts[1], s.r)
	return s
}

// honestFor runs both wallets for d.
func (s *scene) honestFor(t *testing.T, d time.Duration) (plain, sealed []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { s.plain.run(ctx, t) })
	both.Go(func() { s.sealed.run(ctx, t) })
	both.Wait()
	return s.plain.times, s.sealed.times
}

// attackFor runs the attackers, in a process of their own, and the honest wallets beside them.
func (s *scene) attackFor(t *testing.T, d time.Duration) (plain, sealed []time.Duration) {
	t.Helper()
	stop := startAttackers(t, orders{s.at, s.c.Keys.Committee})
	plain, sealed = s.honestFor(t, d)
	s.attacked = stop()
	return plain, sealed
}

// While one client does all it can to exhaust a system, honest wallets are served and no process uses more memory than its
// deployment gives it. Afterwards the history is clean and every acknowledged transaction has its receipt (the wallets waited for it).
func TestHonestWalletsAreServedUnderAbuse(t *testing.T) {
	d := duration(t, soakEnv, shortRun)
	s := newScene(t)
	watch, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { observe.Feed(watch, s.c.Conn(cluster.Producer), "feed", s.r) })
	watching.Go(func() { observe.Proposals(watch, s.c.Conn(cluster.Proposer), 100*time.Millisecond, s.r) })
	t.Cleanup(func() { stop(); watching.Wait() })

	s.honestFor(t, time.Second) // connections, caches
	idlePlain, idleSealed := s.honestFor(t, max(3*time.Second, min(d/5, time.Minute)))
	plain, sealed := s.attackFor(t, d)
	s.attacksTable(t)
	s.memoryTable(t)
	judgeTimes(t, "plain", idlePlain, plain)
	judgeTimes(t, "sealed", idleSealed, sealed)
	stop()
	watching.Wait()
	s.judgeHistory(t)
}

// judgeTimes compares both with the idle value in a long run. A short one, beside other tests, shows that honest wallets are served.
func judgeTimes(t *testing.T, kind string, idle, attacked []time.Duration) {
	t.Helper()
	t.Logf("%-6s send to receipt, idle: %s; under attack: %s", kind, quantiles(idle), quantiles(attacked))
	for _, q := range []float64{0.5, 0.99} {
		limit := slowdown * quantile(idle, q)
		if os.Getenv(soakEnv) == "" {
			limit = receiptTimeout
		}
		if quantile(attacked, q) > limit {
			t.Errorf("%s: quantile %v is %s under attack, more than %s", kind, q, quantile(attacked, q), limit)
		}
	}
}

func quantiles(times []time.Duration) string {
	at := func(q float64) time.Duration { return quantile(times, q).Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, longest %s (%d transfers)", at(0.5), at(0.9), at(0.99), at(1), len(times))
}

func (s *scene) attacksTable(t *testing.T) {
	t.Helper()
	for _, a := range attacks {
		if n, ran := s.attacked[a.name]; ran {
			t.Logf("%-48s %8d answered %8d refused", a.name, n.Answered, n.Refused)
		}
	}
}

func (s *scene) memoryTable(t *testing.T) {
	t.Helper()
	used, err := s.c.Usage()
	must(t, err)
	for _, name := range s.c.Processes() {
		peak := used[name].Peak / mebibyte
		t.Logf("%-14s at most %5d MiB of %5d, now %5d", name, peak, limitOf(name), used[name].Resident/mebibyte)
		if peak > limitOf(name) {
			t.Errorf("%s used %d MiB, more than %d", name, peak, limitOf(name))
		}
		if failed := cmp.Or(bytes.Contains(s.c.Process(name).Tail(1<<20), []byte("panic:")), s.c.Process(name).PID() == 0); failed {
			t.Errorf("%s has ended or panicked", name)
		}
	}
}

// judgeHistory stops the system and checks every invariant.
func (s *scene) judgeHistory(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	head, err := observe.Blocks(ctx, s.client, "rpc", s.r)
	must(t, err)
	must(t, observe.Preblocks(ctx, s.c.Conn(cluster.Monitor), head, s.r))
	must(t, s.c.StopAll())
	must(t, observe.Log(filepath.Join(s.c.DataDir(cluster.Producer), "log"), s.r))
	must(t, observe.Key(s.c.SequencerKey(), s.r))
	h := s.r.History()
	violations := history.Check(h)
	for _, v := range violations[:min(20, len(violations))] {
		t.Error(v)
	}
	t.Logf("%d blocks, %d acknowledged transactions of honest wallets, %d violations", h.Head, len(h.Acks), len(violations))
}
