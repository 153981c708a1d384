package producer

import (
	"strings"
	"testing"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/crypto"
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
	return startNode(t, func(c *Config) {
		c.SequencerKeyFile, c.CreateSequencerKey = t.TempDir()+"/sequencer.key", true
	})
}

func headOf(n *node) func() uint64 { return func() uint64 { return n.evm.Head().Number } }

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
	waitFor(t, func() bool { return headOf(b)() == 3 })
	if b.evm.Head() != a.evm.Head() {
		t.Fatalf("heads %+v and %+v", a.evm.Head(), b.evm.Head())
	}
	if role := b.health.Notes()["role"]; !strings.HasPrefix(role, "standby of ") {
		t.Errorf("role %q", role)
	}
	if balance, err := b.eth.BalanceAt(t.Context(), crypto.PubkeyToAddress(from.key.PublicKey), nil); err != nil || balance.Sign() <= 0 {
		t.Errorf("a read at the standby: %v, %v", balance, err)
	}
	a.stop()
	waitFor(t, func() bool { return b.makes.leading.Load() })
	if err := b.order.Follow(b.grpc.Addr()); err != nil {
		t.Fatal(err)
	}
	if block := b.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetNumber() != 4 {
		t.Fatalf("got %v", block)
	}
	again := &node{cfg: a.cfg, order: a.order, redis: a.redis, follows: true}
	again.start(t)
	waitFor(t, func() bool { return headOf(again)() == 4 })
	if again.makes.leading.Load() || again.evm.Head() != b.evm.Head() {
		t.Fatalf("the former leader: leads %v, head %+v", again.makes.leading.Load(), again.evm.Head())
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
	waitFor(t, func() bool { return headOf(o)() == 5 })
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
	if role := o.health.Notes()["role"]; !strings.HasPrefix(role, "observer of ") {
		t.Errorf("role %q", role)
	}
}
