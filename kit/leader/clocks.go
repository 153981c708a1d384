package leader

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/redisx"
)

// Clocks compares this machine's clock with those of the other replicas and of Redis. Each replica says in the roster how far it is
// ahead of Redis; the clock in the middle of them all is taken for right.
type Clocks struct {
	Redis  *redisx.Client
	Roster *Roster
	Self   string
	Now    func() time.Time
	Drift  time.Duration // that is put up with

	ahead atomic.Int64 // ns
}

// Ahead is how far this machine's clock was ahead of Redis's when it was last compared.
func (c *Clocks) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Check is the check of this machine's clock. While Redis cannot be asked, the last comparison stays.
func (c *Clocks) Check() fitness.Check {
	return fitness.Check{Part: "clock", Try: func(ctx context.Context) error {
		began, sent := c.Now(), time.Now()
		at, err := c.Redis.Time(ctx).Result()
		if err == nil {
			c.ahead.Store(int64(began.Add(time.Since(sent) / 2).Sub(at)))
		}
		all := []time.Duration{0, c.Ahead()}
		for _, r := range c.Roster.Current() {
			if r.ID() != c.Self {
				all = append(all, r.Ahead)
			}
		}
		return drifts(c.Ahead(), all, c.Drift)
	}}
}

// drifts compares a clock with the one in the middle.
func drifts(own time.Duration, all []time.Duration, bound time.Duration) error {
	slices.Sort(all)
	if off := own - all[(len(all)-1)/2]; off.Abs() > bound {
		return fmt.Errorf("the clock is %s ahead of the others', at most %s are put up with", off.Round(time.Millisecond), bound)
	}
	return nil
}
