package lock

import (
	"context"
	"fmt"
	"time"
)

// Guard has an acquisition confirmed by replicas of Redis before it is believed, so that a replica that is promoted
// knows the token and mints no second one like it. Only a Redis with replicas can do that. It makes repeated tokens
// rare, not impossible (a replica that did not confirm may be promoted): the fence is still what decides.
type Guard struct {
	Replicas int           // how many have to confirm; 0: none is asked
	Timeout  time.Duration // how long they may take; at most a quarter of the TTL
	// Report is called with the reason when a lock is given back, and with "" when replicas confirm again. It may be nil.
	Report func(reason string)
}

// confirmed has replicas confirm the acquisition, and returns when the lease was last renewed. Otherwise the lock is
// given back: a holder that waited for replicas would keep everyone else waiting too.
func (c *contention) confirmed(ctx context.Context, token uint64, sent time.Time) (time.Time, error) {
	if c.o.Guard.Replicas <= 0 {
		return sent, nil
	}
	sent = time.Now()
	err := c.store.confirm(ctx, c.a, token, c.o.Guard)
	if err == nil {
		c.report("")
		return sent, nil
	}
	_, failed := c.giveBack(context.WithoutCancel(ctx), c.a)
	c.last, c.Contest = err, Contest{Unsure: failed != nil}
	c.report(err.Error())
	return sent, err
}

// confirm renews the lease and waits, on the same connection, until replicas have that: then they have the token too,
// which was written before it. (WAIT on a connection that wrote nothing answers at once and tells nothing.)
func (s *store) confirm(ctx context.Context, a attempt, token uint64, g Guard) error {
	pipe := s.rdb.Pipeline()
	renewed := s.renewLua.Eval(ctx, pipe, []string{s.lease}, s.renewal(a, token)...)
	have := pipe.Do(ctx, "WAIT", g.Replicas, max(1, g.Timeout.Milliseconds()))
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("%w: ask the replicas: %w", ErrUnreplicated, err)
	}
	if n, err := renewed.Int(); err != nil || n != 1 {
		return fmt.Errorf("%w: the lease is gone", ErrUnreplicated)
	}
	n, err := have.Int()
	if err != nil {
		return fmt.Errorf("%w: answer of the replicas: %w", ErrUnreplicated, err)
	}
	if n < g.Replicas {
		return fmt.Errorf("%w: %d of %d within %s", ErrUnreplicated, n, g.Replicas, g.Timeout)
	}
	return nil
}

// report reports every failure, and the first success after one.
func (l *Locker) report(reason string) {
	if before := l.doubt.Swap(reason != ""); l.o.Guard.Report != nil && (before || reason != "") {
		l.o.Guard.Report(reason)
	}
}
