package producer

import (
	"slices"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/publish"
	"blindseq/producer-svc/rollupnodetest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

const (
	byOperator = blueprintv1.PoolLock_POOL_LOCK_OPERATOR
	byPressure = blueprintv1.PoolLock_POOL_LOCK_BACK_PRESSURE
)

// startPushing starts a producer that locks its pool when a rollup misses more than three blueprints.
func startPushing(t *testing.T) (*node, *rollupnodetest.Node) {
	t.Helper()
	rollup := rollupnodetest.Start()
	t.Cleanup(rollup.Close)
	return startNode(t, func(c *Config) { pushTo(c, rollup) }), rollup
}

func pushTo(c *Config, rollup *rollupnodetest.Node) {
	c.Rollup.RollupNode, c.Rollup.RollupPoll = rollup.URL, 10*time.Millisecond
	c.Rollup.MaxBlueprintsLag, c.Rollup.MaxBlueprintsAhead = 1, 3
}

func (n *node) makeBlocks(t *testing.T, count int) {
	t.Helper()
	for range count {
		n.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
}

// refused asks for a block, which must be refused because the pool is locked.
func (n *node) refused(t *testing.T) {
	t.Helper()
	answer, err := n.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{})
	if err != nil || answer.GetNoPreblock().GetReason() != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED {
		t.Fatalf("got %v, %v", answer, err)
	}
}

func (n *node) awaitLocks(t *testing.T, want ...blueprintv1.PoolLock) {
	t.Helper()
	fakes.WaitFor(t, func() bool {
		s := n.status(t.Context())
		return slices.Equal(s.GetPoolLocks(), want) && s.GetPoolLocked() == (len(want) > 0)
	})
}

func TestTheRollupGetsEveryBlueprintOnceInOrder(t *testing.T) {
	n, rollup := startPushing(t)
	for want := uint64(1); want <= 5; want++ {
		n.makeBlocks(t, 1)
		fakes.WaitFor(t, func() bool { return len(rollup.Pushed()) == int(want) })
		rollup.Advance(1)
		fakes.WaitFor(t, func() bool { return n.status(t.Context()).GetPublication().GetConfirmedNumber() == want })
	}
	if got := rollup.Pushed(); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Fatalf("pushed %v", got)
	}
}

func TestBackPressureStopsBlocksUntilTheRollupIsNear(t *testing.T) {
	n, rollup := startPushing(t)
	n.makeBlocks(t, 3)
	n.awaitLocks(t)
	n.makeBlocks(t, 1)
	n.awaitLocks(t, byPressure)
	n.refused(t)
	if len(n.Health.Ready()) != 0 {
		t.Fatalf("not ready: %v", n.Health.Ready()) // it serves reads and takes transactions
	}
	fakes.WaitFor(t, func() bool { return len(rollup.Pushed()) >= 4 })
	rollup.Advance(2) // two are missing, one may be
	fakes.WaitFor(t, func() bool { return n.status(t.Context()).GetPublication().GetConfirmedNumber() == 2 })
	n.refused(t)
	rollup.Advance(2) // near
	fakes.WaitFor(t, func() bool { return n.status(t.Context()).GetPublication().GetConfirmedNumber() == 4 })
	n.refused(t)
	rollup.Advance(0) // the cooldown
	n.awaitLocks(t)
	n.makeBlocks(t, 1)
}

func TestOperatorAndBackPressureLockThePoolIndependently(t *testing.T) {
	n, rollup := startPushing(t)
	n.makeBlocks(t, 4)
	n.awaitLocks(t, byPressure)
	if _, err := n.admin.UnlockPool(t.Context(), &blueprintv1.UnlockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	n.awaitLocks(t, byPressure) // which is not the operator's to take away
	if _, err := n.admin.LockPool(t.Context(), &blueprintv1.LockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	n.awaitLocks(t, byOperator, byPressure)
	fakes.WaitFor(t, func() bool { return len(rollup.Pushed()) >= 4 })
	fakes.WaitFor(t, func() bool { rollup.Advance(4); return !n.publication().Locked })
	n.awaitLocks(t, byOperator)
	n.refused(t)
	if _, err := n.admin.UnlockPool(t.Context(), &blueprintv1.UnlockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	n.awaitLocks(t)
	n.makeBlocks(t, 1)
}

func TestWhatLayerOneLosesIsPushedAgain(t *testing.T) {
	n, rollup := startPushing(t)
	rollup.SetLosing(true)
	n.makeBlocks(t, 4)
	fakes.WaitFor(t, func() bool { return len(rollup.Pushed()) >= 4 })
	rollup.SetLosing(false)
	fakes.WaitFor(t, func() bool { rollup.Advance(4); return rollup.Executed() == 4 })
	fakes.WaitFor(t, func() bool { rollup.Advance(4); return !n.publication().Locked })
	n.makeBlocks(t, 1)
}

func TestAProducerThatStartsWithARollupAwayWaitsForIt(t *testing.T) {
	n, rollup := startPushing(t)
	n.makeBlocks(t, 4)
	n.awaitLocks(t, byPressure)
	fakes.WaitFor(t, func() bool { return len(rollup.Pushed()) >= 4 })
	rollup.SetAway(true)
	n.stop()
	n.start(t)
	n.awaitLocks(t, byPressure)
	n.refused(t)
	rollup.Advance(4)
	rollup.SetAway(false)
	n.awaitLocks(t)
	n.makeBlocks(t, 1)
}

func TestRollupSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	for name, change := range map[string]func(*publish.Config){
		"no URL":         func(c *publish.Config) { c.RollupNode = "rollup:8932" },
		"query":          func(c *publish.Config) { c.RollupNode = "http://rollup?x=1" },
		"lag over ahead": func(c *publish.Config) { c.MaxBlueprintsLag = 101 },
		"nothing ahead":  func(c *publish.Config) { c.MaxBlueprintsAhead, c.MaxBlueprintsLag = 0, 0 },
		"no catch-up":    func(c *publish.Config) { c.MaxBlueprintsCatchup = 0 },
		"poll":           func(c *publish.Config) { c.RollupPoll = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var cfg Config
			if err := config.Defaults(&cfg); err != nil {
				t.Fatal(err)
			}
			cfg.DataDir = t.TempDir()
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			change(&cfg.Rollup)
			if err := cfg.Validate(); err == nil {
				t.Fatal("taken")
			}
		})
	}
}
