package sections

import (
	"context"

	"blindseq/kit/lock"
)

// ConsumptionLock is the consumption lock in Redis as a section takes it: never with a token that the blueprint log would
// refuse.
type ConsumptionLock struct {
	Locker  *lock.Locker
	Written func() uint64 // token of the log's last record
	Known   func() uint64 // highest token that another leader is known to have
}

// Acquire implements Lock.
func (c ConsumptionLock) Acquire(ctx context.Context, priority bool) (Held, error) {
	held, err := c.Locker.Acquire(ctx, lock.Request{Priority: priority, Floor: max(c.Written(), c.Known())})
	if err != nil {
		return nil, err
	}
	return held, nil
}
