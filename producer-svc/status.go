package producer

import (
	"context"
	"time"

	"blindseq/kit/ops"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// inspectTimeout bounds the one part of the status that is asked of Redis.
const inspectTimeout = 300 * time.Millisecond

// status is the answer of GetStatus. Without Redis the lock's holder is not known, and the token is the log's.
func (s *Service) status(ctx context.Context) *blueprintv1.GetStatusResponse {
	head := s.ledger.Head()
	pending, queued := s.disk.Chain.PoolSize()
	answer := &blueprintv1.GetStatusResponse{
		Leader:              s.production.Stance.Leads(),
		ChainId:             s.disk.Chain.ChainID(),
		HeadNumber:          head.Number,
		HeadHash:            head.Hash[:],
		HeadTimestamp:       &timestamppb.Timestamp{Seconds: head.Time},
		PoolLocked:          s.poolLocked(),
		PoolLocks:           s.poolLocks(),
		PoolPending:         uint32(pending),
		PoolQueued:          uint32(queued),
		DelayedTransactions: uint32(s.disk.Store.DelayedCount()),
		LockToken:           s.disk.Log.LastToken(),
		WaitingProduceBlock: uint32(s.production.Callers.Waiting()),
		Halted:              s.guard.Reason(),
	}
	if s.rollup != nil {
		rollup := s.publication()
		answer.Publication = &blueprintv1.Publication{PushedNumber: rollup.Accepted, ConfirmedNumber: rollup.Confirmed}
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	if lock, err := s.lock.Inspect(ctx); err == nil {
		answer.LockHolder, answer.LockToken = lock.Holder, max(lock.Token, answer.GetLockToken())
	}
	return answer
}

// observe registers the values that are read when metrics are asked for.
func (s *Service) observe() {
	gauge := func(name, help string, value func() float64) { ops.Gauge(s.Registry, name, help, value) }
	count := func(n int) float64 { return float64(n) }
	gauge("blindseq_producer_head_number", "Number of the last applied block.", func() float64 { return float64(s.ledger.Head().Number) })
	gauge("blindseq_producer_leading", "1 while this producer leads.", func() float64 { return ops.Truth(s.production.Stance.Leads()) })
	gauge("blindseq_producer_behind_blocks", "Preblocks the DSN is known to have fixed that are not applied here.", func() float64 { now, _ := s.follow.Progress(); return float64(now.Lag()) })
	gauge("blindseq_producer_standbys", "Standbys that keep what this producer acknowledges.", func() float64 { n, _ := s.standbys.Standbys(); return count(n) })
	gauge("blindseq_producer_standby_behind", "Changes of the transaction store that the slowest standby does not have yet.", func() float64 { last, _ := s.disk.Store.Position(); return float64(s.standbys.Behind(last)) })
	gauge("blindseq_producer_unreplicated", "1 while fewer standbys than --ack-replicas have what is acknowledged: an alarm.", func() float64 { _, short := s.standbys.Standbys(); return ops.Truth(short) })
	gauge("blindseq_producer_halted", "1 while production stands still for a reason a person has to look at.", func() float64 { return ops.Truth(s.guard.Reason() != "") })
	gauge("blindseq_producer_pool_locked", "1 while the pool is locked, by whomever.", func() float64 { return ops.Truth(s.poolLocked()) })
	gauge("blindseq_producer_back_pressure", "1 while the pool is locked because the rollup is too far behind.", func() float64 { return ops.Truth(s.publication().Locked) })
	gauge("blindseq_producer_rollup_missing", "Applied blueprints that the rollup is not known to have, while this producer leads and pushes them.", func() float64 { return float64(s.publication().Behind()) })
	gauge("blindseq_producer_rollup_pushed_number", "The rollup node has taken all blueprints up to here.", func() float64 { return float64(s.publication().Accepted) })
	gauge("blindseq_producer_rollup_confirmed_number", "The rollup has executed all blueprints up to here.", func() float64 { return float64(s.publication().Confirmed) })
	gauge("blindseq_producer_waiting_callers", "Callers of ProduceBlock that wait.", func() float64 { return count(s.production.Callers.Waiting()) })
	gauge("blindseq_producer_delayed_transactions", "Delayed transactions in no block yet.", func() float64 { return count(s.disk.Store.DelayedCount()) })
	gauge("blindseq_producer_waiting_sealed", "Sealed transactions in no block yet.", func() float64 { return count(s.waitingSealed()) })
	gauge("blindseq_producer_acknowledged_transactions", "Transactions acknowledged and in no block yet.", func() float64 { return count(s.disk.Store.Count()) })
}
