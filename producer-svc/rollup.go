package producer

import (
	"fmt"
	"net/url"
	"time"

	"blindseq/kit/host"
	"blindseq/producer-svc/backpressure"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/publish"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// RollupConfig says which rollup blueprints are pushed to, and how far it may be behind.
type RollupConfig struct {
	RollupNode           string        `help:"URL of the rollup node. Applied blueprints are pushed to its batcher. Empty pushes nothing: blueprints are on the feed only, and there is no back-pressure."`
	RollupPoll           time.Duration `help:"Interval between looks at the rollup." default:"1s"`
	MaxBlueprintsLag     uint64        `help:"Maximum number of blueprints that the rollup may miss before they are pushed again. Fewer are pushed again when the rollup makes no progress for ten blocks of layer 1." default:"50"`
	MaxBlueprintsAhead   uint64        `help:"Maximum number of blueprints that the rollup may miss before the pool is locked. No block is produced until it misses at most --max-blueprints-lag." default:"100"`
	MaxBlueprintsCatchup uint64        `help:"Maximum number of blueprints pushed again at a time." default:"50"`
	CatchupCooldown      uint64        `help:"Number of blocks of layer 1 between two catch-ups, and before a pool that was locked for the rollup is unlocked." default:"1"`
}

func (c *RollupConfig) validate() error {
	const most = 1 << 32
	if c.RollupNode != "" {
		u, err := url.Parse(c.RollupNode)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("--rollup-node must be a URL like http://host:8932, not %q", c.RollupNode)
		}
	}
	switch {
	case c.RollupPoll < 10*time.Millisecond:
		return fmt.Errorf("--rollup-poll must be at least 10ms, not %s", c.RollupPoll)
	case c.MaxBlueprintsAhead < 1 || c.MaxBlueprintsAhead > most:
		return fmt.Errorf("--max-blueprints-ahead must be within 1 and %d, not %d", uint64(most), c.MaxBlueprintsAhead)
	case c.MaxBlueprintsLag > c.MaxBlueprintsAhead:
		return fmt.Errorf("--max-blueprints-lag must not be above --max-blueprints-ahead (%d), not %d", c.MaxBlueprintsAhead, c.MaxBlueprintsLag)
	case c.MaxBlueprintsCatchup < 1 || c.MaxBlueprintsCatchup > most:
		return fmt.Errorf("--max-blueprints-catchup must be within 1 and %d, not %d", uint64(most), c.MaxBlueprintsCatchup)
	case c.CatchupCooldown > most:
		return fmt.Errorf("--catchup-cooldown must be at most %d, not %d", uint64(most), c.CatchupCooldown)
	}
	return nil
}

// publishTo builds what pushes blueprints; without a rollup node there is none.
func (s *Service) publishTo() error {
	c := s.cfg.Rollup
	if c.RollupNode == "" {
		return nil
	}
	address, err := s.cfg.rollup()
	if err != nil {
		return err
	}
	node, err := host.Open(s.Host, "rollup node", func() (*publish.RollupNode, error) { return publish.NewRollupNode(c.RollupNode), nil })
	if err != nil {
		return err
	}
	s.rollup = publish.New(publish.Deps{
		Blueprints: feed.Outbox{Feed: s.feed, Rollup: address},
		Rollup:     publish.Counted{Rollup: node, Count: s.metrics.rollupCalled},
		Limits: backpressure.Limits{
			Lag: c.MaxBlueprintsLag, Ahead: c.MaxBlueprintsAhead, CatchUp: c.MaxBlueprintsCatchup, Cooldown: c.CatchupCooldown,
		},
		LookEvery: c.RollupPoll,
		Unlocked:  s.pool.Wake.Notify,
		Log:       s.Log,
	})
	return nil
}

// publication is how far the rollup is; the zero value when none is configured or this producer does not lead.
func (s *Service) publication() backpressure.State {
	if s.rollup == nil {
		return backpressure.State{}
	}
	return s.rollup.State()
}

// poolLocked says whether the pool is locked, by an operator or by back-pressure.
func (s *Service) poolLocked() bool { return s.pool.Locked() || s.publication().Locked }

// poolLocks are the reasons of poolLocked.
func (s *Service) poolLocks() (locks []blueprintv1.PoolLock) {
	if s.pool.Locked() {
		locks = append(locks, blueprintv1.PoolLock_POOL_LOCK_OPERATOR)
	}
	if s.publication().Locked {
		locks = append(locks, blueprintv1.PoolLock_POOL_LOCK_BACK_PRESSURE)
	}
	return locks
}
