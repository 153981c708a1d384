package lock

import "time"

// Belief is how long this process may believe that it holds the lease: from the moment the command was sent that took
// or renewed it (Redis counted its TTL from a later one) for the TTL less a margin for clocks running at different
// speeds and for the holder to stop. Once lost it stays lost: its users have been stopped. It is pure: the simulator
// runs it too.
type Belief struct {
	ttl, margin time.Duration
	until       time.Time
	over        bool
}

// NewBelief returns the belief of a process that does not hold the lease yet.
func NewBelief(ttl, margin time.Duration) Belief { return Belief{ttl: ttl, margin: margin} }

// Confirm records that Redis granted or renewed the lease by a command sent at that time. It reports whether the lease is
// believed now: an answer that took too long does not count.
func (b *Belief) Confirm(sent, now time.Time) bool {
	if b.over || (!b.until.IsZero() && !now.Before(b.until)) {
		b.over = true
		return false
	}
	if until := sent.Add(b.ttl - b.margin); until.After(b.until) {
		b.until = until
	}
	b.over = !now.Before(b.until)
	return !b.over
}

// Holds says whether the lease is believed now.
func (b *Belief) Holds(now time.Time) bool { return !b.over && now.Before(b.until) }

// Until is when the belief ends unless the lease is renewed.
func (b *Belief) Until() time.Time { return b.until }

// Renewed records the result of a renewal. It returns when the next one is due, or why the lease is lost.
func (b *Belief) Renewed(sent, now time.Time, ours bool, err error) (next time.Time, lost string) {
	switch {
	case err != nil:
		return now.Add(b.ttl / 10), ""
	case !ours:
		return next, "it has expired or is held by another"
	case !b.Confirm(sent, now):
		return next, "renewed too late"
	}
	return sent.Add(b.ttl / 3), ""
}

// Contest is what a caller knows about its attempt between two questions to Redis. It is pure too.
type Contest struct {
	Unsure bool // the last question may have been granted, but its answer is not known
	Waited bool // the last answer was that another holds the lock
}

// Answered records the answer to a question: the token granted, 0 for none, or the error. believed says whether a token came
// in time to be used.
func (c *Contest) Answered(token uint64, err error, believed bool) (holds bool) {
	c.Unsure = err != nil || token > 0 && !believed
	c.Waited = err == nil && token == 0
	return !c.Unsure && !c.Waited
}
