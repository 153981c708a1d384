package producer

import (
	"blindseq/producer-svc/internal/intake"
	"blindseq/producer-svc/internal/leading"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/rollupnodetest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// beside starts another replica of the same system, in the role of change, and waits until it is ready.
func beside(t *testing.T, n *node, change func(*Config)) *node {
	t.Helper()
	cfg := testConfig(t, n.redis, n.order)
	cfg.SequencerKeyFile = n.cfg.SequencerKeyFile
	if change != nil {
		change(&cfg)
	}
	other := &node{cfg: cfg, order: n.order, redis: n.redis, follows: true}
	other.start(t)
	return other
}

func startLeader(t *testing.T) *node {
	t.Helper()
	return startLeaderWith(t, func(*Config) {})
}

func startLeaderWith(t *testing.T, change func(*Config)) *node {
	t.Helper()
	return startNode(t, func(c *Config) {
		c.SequencerKeyFile, c.CreateSequencerKey = filepath.Join(t.TempDir(), "sequencer.key"), true
		change(c)
	})
}

func headOf(n *node) func() uint64 { return func() uint64 { return n.ledger.Head().Number } }

func TestAStandbyFollowsServesReadsAndTakesOver(t *testing.T) {
	a := startLeader(t)
	from := newWallet(t, 0)
	for range 3 {
		if err := a.eth.SendTransaction(t.Context(), from.transaction(t, nil)); err != nil {
			t.Fatal(err)
		}
		a.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
	b := beside(t, a, nil)
	fakes.WaitFor(t, func() bool { return headOf(b)() == 3 })
	if b.ledger.Head() != a.ledger.Head() {
		t.Fatalf("heads %+v and %+v", a.ledger.Head(), b.ledger.Head())
	}
	if role := b.Health.Notes()["role"]; !strings.HasPrefix(role, "standby of ") {
		t.Errorf("role %q", role)
	}
	if balance, err := b.eth.BalanceAt(t.Context(), crypto.PubkeyToAddress(from.key.PublicKey), nil); err != nil || balance.Sign() <= 0 {
		t.Errorf("a read at the standby: %v, %v", balance, err)
	}
	a.stop()
	fakes.WaitFor(t, func() bool { return b.production.Stance.Leads() })
	if err := b.order.Follow(b.grpc.Addr()); err != nil {
		t.Fatal(err)
	}
	if block := b.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetNumber() != 4 {
		t.Fatalf("got %v", block)
	}
	again := &node{cfg: a.cfg, order: a.order, redis: a.redis, follows: true}
	again.start(t)
	fakes.WaitFor(t, func() bool { _, err := again.feed.Get(4); return err == nil }) // which comes after the head
	if again.production.Stance.Leads() || again.ledger.Head() != b.ledger.Head() {
		t.Fatalf("the former leader: leads %v, head %+v", again.production.Stance.Leads(), again.ledger.Head())
	}
	for n := uint64(1); n <= 4; n++ {
		one, err := again.feed.Get(n)
		if err != nil {
			t.Fatal(err)
		}
		other, err := b.feed.Get(n)
		if err != nil || len(one.GetChunks()) == 0 || string(one.GetChunks()[0]) != string(other.GetChunks()[0]) {
			t.Errorf("blueprint %d is not signed alike: %v", n, err)
		}
	}
}

func TestAnObserverFollowsFromGenesisAndNeverLeads(t *testing.T) {
	a := startLeader(t)
	for range 5 {
		a.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
	o := beside(t, a, func(c *Config) { c.Role, c.SequencerKeyFile = roleObserver, "" })
	fakes.WaitFor(t, func() bool { return headOf(o)() == 5 })
	one, err := a.eth.HeaderByNumber(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := o.eth.HeaderByNumber(t.Context(), nil); err != nil || other.Root != one.Root {
		t.Fatalf("roots %s and %v, %v", one.Root, other, err)
	}
	a.stop()
	if _, err := o.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{}); err == nil {
		t.Error("an observer made a block")
	}
	if role := o.Health.Notes()["role"]; !strings.HasPrefix(role, "observer of ") {
		t.Errorf("role %q", role)
	}
}

// transfers sends n of a wallet's and gives their hashes; each is acknowledged.
func transfers(t *testing.T, to *node, from *wallet, n int) (hashes []common.Hash) {
	t.Helper()
	for range n {
		tx := from.transaction(t, nil)
		if err := to.eth.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, tx.Hash())
	}
	return hashes
}

func leadsNow(t *testing.T, n *node) {
	t.Helper()
	fakes.WaitFor(t, func() bool { return n.production.Stance.Leads() })
	if err := n.order.Follow(n.grpc.Addr()); err != nil {
		t.Fatal(err)
	}
}

func included(t *testing.T, at *node, hashes []common.Hash) {
	t.Helper()
	for _, hash := range hashes {
		if receipt, err := at.eth.TransactionReceipt(t.Context(), hash); err != nil || receipt.Status != 1 {
			t.Errorf("transaction %s: %v, %v", hash, receipt, err)
		}
	}
}

func standbysOf(n *node) int { connected, _ := n.standbys.Standbys(); return connected }

func TestWhatTheLeaderAcknowledgedOutlivesItsVolume(t *testing.T) {
	a := startLeaderWith(t, func(c *Config) { c.AckReplicas = 1 })
	b := beside(t, a, nil)
	fakes.WaitFor(t, func() bool { return standbysOf(a) == 1 })
	from := newWallet(t, 0)
	before := transfers(t, a, from, 3)
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	pending := transfers(t, a, from, 5)
	delayed := newWallet(t, 1).transaction(t, nil)
	if _, err := a.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: raw(t, delayed)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.admin.LockPool(t.Context(), &blueprintv1.LockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	fakes.WaitFor(t, b.pool.Locked)
	if has := b.disk.Store.Hashes(); len(has) != 6 || !has[pending[4]] || !has[delayed.Hash()] {
		t.Fatalf("the standby has %d of 6", len(has))
	}
	a.stop()
	if err := os.RemoveAll(a.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	leadsNow(t, b)
	if _, err := b.admin.UnlockPool(t.Context(), &blueprintv1.UnlockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	if block := b.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetTransactions() != 6 {
		t.Errorf("the next block has %d transactions", block.GetTransactions())
	}
	included(t, b, append(append(before, pending...), delayed.Hash()))
	if left := b.disk.Store.Hashes(); len(left) != 0 {
		t.Errorf("%d are kept that are in blocks", len(left))
	}
	again := &node{cfg: a.cfg, order: a.order, redis: a.redis, follows: true}
	again.start(t) // with an empty disk
	fakes.WaitFor(t, func() bool { return headOf(again)() == headOf(b)() })
	if again.ledger.Head() != b.ledger.Head() {
		t.Errorf("heads %+v and %+v", again.ledger.Head(), b.ledger.Head())
	}
}

func TestAReturningLeaderHandsOverWhatOnlyItHas(t *testing.T) {
	a := startLeader(t)
	from, other := newWallet(t, 0), newWallet(t, 1)
	hashes := transfers(t, a, from, 4)
	replaced := other.transaction(t, nil)
	if err := a.eth.SendTransaction(t.Context(), replaced); err != nil {
		t.Fatal(err)
	}
	delayed := newWallet(t, 2).transaction(t, nil)
	if _, err := a.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: raw(t, delayed)}); err != nil {
		t.Fatal(err)
	}
	a.stop() // nobody stood by
	b := beside(t, a, func(c *Config) { c.TimeBetweenBlocks = "1h" })
	leadsNow(t, b)
	other.nonce-- // its owner sends another one instead
	hashes = append(hashes, transfersWith(t, b, other, []byte{1})...)
	fakes.WaitFor(t, func() bool { return headOf(b)() > 0 })
	again := &node{cfg: a.cfg, order: a.order, redis: a.redis, follows: true}
	again.start(t)
	fakes.WaitFor(t, func() bool {
		_, err := b.eth.TransactionReceipt(t.Context(), hashes[3])
		return err == nil && b.disk.Store.DelayedCount() == 0
	})
	included(t, b, append(hashes, delayed.Hash()))
	fakes.WaitFor(t, func() bool { return len(again.disk.Store.Hashes()) == 0 })
	if outcome, known, err := again.disk.Store.Ending(replaced.Hash()); err != nil || !known || outcome.Reason == "" {
		t.Errorf("the one that lost its nonce: %+v, %v, %v", outcome, known, err)
	}
}

func transfersWith(t *testing.T, to *node, from *wallet, data []byte) []common.Hash {
	t.Helper()
	tx := from.transaction(t, data)
	if err := to.eth.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	return []common.Hash{tx.Hash()}
}

func TestWithTooFewStandbysTransactionsAreRefusedOrTakenWithAnAlarm(t *testing.T) {
	a := startLeaderWith(t, func(c *Config) { c.AckReplicas, c.AckTimeout = 1, 50*time.Millisecond })
	err := a.eth.SendTransaction(t.Context(), newWallet(t, 0).transaction(t, nil))
	if coded := rpc.Error(nil); !errors.As(err, &coded) || coded.ErrorCode() != intake.CodeUnavailable || !strings.Contains(err.Error(), "standby") {
		t.Fatalf("got %v", err)
	}
	if pending, queued := a.disk.Chain.PoolSize(); pending+queued+len(a.disk.Store.Hashes()) != 0 {
		t.Error("a refused transaction left something behind")
	}
	a.stop()
	a.cfg.AckShort = shortDegrade
	a.start(t)
	if err := a.eth.SendTransaction(t.Context(), newWallet(t, 0).transaction(t, nil)); err != nil {
		t.Fatal(err)
	}
	if _, short := a.standbys.Standbys(); !short {
		t.Error("no alarm")
	}
	b := beside(t, a, nil)
	fakes.WaitFor(t, func() bool { return standbysOf(a) == 1 && len(b.disk.Store.Hashes()) == 1 })
	w := newWallet(t, 0)
	w.nonce = 1
	fakes.WaitFor(t, func() bool { // the first that it confirms in time ends the alarm
		transfers(t, a, w, 1)
		_, short := a.standbys.Standbys()
		return !short
	})
}

func TestAStandbyForwardsTransactionsInTheLeadersWords(t *testing.T) {
	a := startLeader(t)
	b := beside(t, a, nil)
	o := beside(t, a, func(c *Config) { c.Role, c.SequencerKeyFile = roleObserver, "" })
	from := newWallet(t, 0)
	hashes := append(transfers(t, b, from, 2), transfers(t, o, from, 2)...)
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	included(t, a, hashes)
	stale := newWallet(t, 0).transaction(t, []byte{7})
	direct, forwarded := a.eth.SendTransaction(t.Context(), stale), b.eth.SendTransaction(t.Context(), stale)
	if direct == nil || forwarded == nil || direct.Error() != forwarded.Error() {
		t.Errorf("the leader says %q, the standby %q", direct, forwarded)
	}
}

func TestAStandbyTakesOverTheOperatorsLockAndNotBackPressure(t *testing.T) {
	rollup := rollupnodetest.Start()
	t.Cleanup(rollup.Close)
	a := startLeaderWith(t, func(c *Config) { pushTo(c, rollup) })
	b := beside(t, a, func(c *Config) { pushTo(c, rollup) })
	fakes.WaitFor(t, func() bool { return standbysOf(a) == 1 })
	a.makeBlocks(t, 4)
	a.awaitLocks(t, byPressure)
	if _, err := a.admin.LockPool(t.Context(), &blueprintv1.LockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	a.awaitLocks(t, byOperator, byPressure)
	b.awaitLocks(t, byOperator)
	if _, err := a.admin.UnlockPool(t.Context(), &blueprintv1.UnlockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	b.awaitLocks(t)
	a.awaitLocks(t, byPressure)
	a.stop()
	fakes.WaitFor(t, func() bool { return b.production.Stance.Leads() })
	b.awaitLocks(t, byPressure) // its own: the rollup has nothing yet
}

func TestAReplicaWithAnotherSequencersKeyIsNotTakenIn(t *testing.T) {
	a := startLeader(t)
	cfg := testConfig(t, a.redis, a.order) // it makes a key of its own
	s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sequencer's key") {
		t.Fatalf("got %v", err)
	}
}

// The lease is that of this producer's last life, and it ends soon. One who stands by is in the roster, and does not come.
func TestALeaderThatWasKilledLetsAStandbyGoFirst(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(order.Stop)
	redis := redistest.Mini(t)
	cfg := testConfig(t, redis, order)
	cfg.AdvertiseName, cfg.LeaseTTL = "producer-0", 300*time.Millisecond
	held, err := lock.New(redis.Client, lock.Options{Name: rediskeys.ProducerLease, TTL: 5 * time.Second, Log: slog.New(slog.DiscardHandler)}).
		Acquire(t.Context(), lock.Request{Meta: `{"grpc":"127.0.0.1:1","name":"producer-0"}`})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		_ = leader.Enroll(ctx, redis.Client, rediskeys.ProducerLease, func() (leader.Replica, bool) {
			return leader.Replica{Endpoint: leader.Endpoint{GRPC: "127.0.0.1:2", RPC: "127.0.0.1:3"}, MayLead: true}, true
		})
	})
	t.Cleanup(func() { cancel(); others.Wait() })
	roster := leader.NewRoster(redis.Client, rediskeys.ProducerLease)
	fakes.WaitFor(t, func() bool { return roster.Look(t.Context()) == nil && len(roster.Current()) == 1 })

	first := make(goesFirst, 1)
	n := &node{cfg: cfg, order: order, redis: redis, logger: slog.New(slog.NewTextHandler(first, nil))}
	waited := make(chan time.Time, 1)
	others.Go(func() {
		select {
		case at := <-first: // now its lease ends
			waited <- at
			_ = held.Release(ctx) // it ends by itself else
		case <-ctx.Done():
		}
	})
	n.start(t) // returns when it leads
	if took := time.Since(<-waited); took < cfg.LeaseTTL+leading.GoFirst {
		t.Errorf("it leads after %s", took)
	}
}

// goesFirst is told when a producer that was killed lets others go first.
type goesFirst chan time.Time

func (s goesFirst) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("letting a standby lead")) {
		s <- time.Now()
	}
	return len(line), nil
}
