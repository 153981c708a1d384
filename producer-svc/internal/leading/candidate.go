package leading

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/ops"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/producer-svc/internal/follow"
)

// Candidate is a replica that may lead, or an observer, which never does.
type Candidate struct {
	Redis      *redisx.Client
	Directory  *leader.Directory // who leads
	Lease      *lock.Locker      // of the leading producer
	Endpoint   leader.Endpoint   // where others reach this replica
	Observer   bool
	Follower   *follow.Follower
	Production *Production
	Head       func() uint64 // number of the last applied block
	Health     *ops.Health
	Log        *slog.Logger

	Fitness  *fitness.Fitness
	Standbys func() string // what is said of the standbys while this replica leads

	Aside  *leader.Aside  // nil for an observer
	Clocks *leader.Clocks // nil where the clock may be moved
}

// Other is the leader that this replica knows of, unless it is this replica.
func (c *Candidate) Other() (leader.Endpoint, bool) {
	e, known := c.Directory.Current(rediskeys.ProducerLease)
	return e, known && e.ID() != c.Endpoint.ID()
}

// HoldsLease says whether this replica holds the lease.
func (c *Candidate) HoldsLease() bool { return c.Production.Stance.HoldsLease() }

// Last reports whether this replica was the last leader that it knows of, and no leader is known now.
func (c *Candidate) Last() bool {
	last, known := c.Directory.Current(rediskeys.ProducerLease)
	return known && last.ID() == c.Endpoint.ID()
}

// ToFollow is the id of another leader, empty while this replica has the lease. A change closes the channel.
func (c *Candidate) ToFollow() (who string, changed <-chan struct{}) {
	moved, turned := c.Directory.Changed(), c.Production.Stance.Changed()
	if c.Production.Stance.HoldsLease() {
		return "", turned
	}
	if other, led := c.Other(); led {
		return other.ID(), moved
	}
	return "", moved
}

// Report keeps what an operator sees of role and progress until ctx ends. A replica that does not lead is ready for reads
// while another is known to lead and it is near the head itself.
func (c *Candidate) Report(ctx context.Context) error {
	for {
		moved, turned := c.Directory.Changed(), c.Production.Stance.Changed()
		progress, advanced := c.Follower.Progress()
		now := c.Production.Stance.Now()
		reason, note := c.standing(now)
		c.Health.Set("leader", reason)
		c.Health.Note("role", note)
		if now == Leading || now == Ceding {
			c.Health.Set("follow", "")
		} else {
			c.Health.Set("follow", progress.Reason())
		}
		select {
		case <-moved:
		case <-turned:
		case <-advanced:
		case <-ctx.Done():
			return nil
		}
	}
}

// standing is why this replica is not ready, as far as its role says, and its role in words.
func (c *Candidate) standing(now State) (reason, note string) {
	other, led := c.Other()
	switch {
	case now == Leading:
		return "", "leads"
	case now == Ceding:
		return "", "hands over the lead"
	case now == Taking:
		return "catching up with the DSN", "takes the lead"
	case c.Observer && led:
		return "", "observer of " + other.ID()
	case c.Observer:
		return "", "observer"
	case led:
		return "", "standby of " + other.ID()
	}
	return "no producer leads: the lease cannot be acquired, or another producer has just lost it", "producer"
}

// Campaign competes for the lease while this replica is fit to lead. A replica that is far behind does not compete.
func (c *Candidate) Campaign(ctx context.Context) error {
	c.letStandbysGoFirst(ctx)
	for ctx.Err() == nil {
		_, changed := c.Follower.Progress()
		if !c.Follower.May() {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := c.compete(ctx); err != nil {
			return err
		}
	}
	return nil
}

// GoFirst is how long a restarted leader lets its standbys take the lease, counted from the end of its old lease.
const GoFirst = time.Second

// letStandbysGoFirst makes a leader that restarted before its lease expired wait until a standby leads, if there is one. The
// standby is at the head; this replica would have to catch up first, and may crash again.
func (c *Candidate) letStandbysGoFirst(ctx context.Context) {
	led, err := lock.Inspect(ctx, c.Redis, rediskeys.ProducerLease)
	if err != nil || led.Holder == "" || leader.EndpointOf(led.Meta).ID() != c.Endpoint.ID() {
		return
	}
	roster := leader.NewRoster(c.Redis, rediskeys.ProducerLease)
	if err := roster.Look(ctx); err != nil || !slices.ContainsFunc(roster.Current(), func(r leader.Replica) bool {
		return r.MayLead && r.ID() != c.Endpoint.ID()
	}) {
		return
	}
	c.Log.InfoContext(ctx, "restarted with the lease held: letting a standby lead", "lease", rediskeys.ProducerLease)
	ctx, cancel := context.WithTimeout(ctx, c.Lease.Options().TTL+GoFirst)
	defer cancel()
	for {
		changed := c.Directory.Changed()
		if _, other := c.Other(); other {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// compete campaigns until this replica falls far behind while another leads, or ctx ends.
func (c *Candidate) compete(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_, changed := c.Follower.Progress()
			turned := c.Production.Stance.Changed()
			if !c.Follower.May() && !c.Production.Stance.HoldsLease() {
				break
			}
			select {
			case <-changed:
			case <-turned:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	defer func() { cancel(); <-ended }()
	return c.Aside.Campaign(ctx, c.Endpoint, c.Production.Lead)
}

// Enroll lets the gateways find this replica for reads while it is ready.
func (c *Candidate) Enroll(ctx context.Context) error {
	return leader.Enroll(ctx, c.Redis, rediskeys.ProducerLease, func() (leader.Replica, bool) {
		r := leader.Replica{Endpoint: c.Endpoint, Head: c.Head(), MayLead: !c.Observer}
		r.Whole = !c.Observer && c.Follower.May() && c.Aside.Whole()
		if c.Clocks != nil {
			r.Ahead = c.Clocks.Ahead()
		}
		return r, len(c.Health.Ready()) == 0
	})
}
