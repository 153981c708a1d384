package producer

import (
	"blindseq/kit/host"
	"blindseq/producer-svc/backpressure"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/publish"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

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
		Rollup:     publish.Counted{Rollup: node, Count: s.metrics.RollupCalled},
		Limits:     c.Limits(), LookEvery: c.RollupPoll, Unlocked: s.pool.Wake.Notify, Log: s.Log,
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
