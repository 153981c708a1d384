package history

import "time"

// Recovery records whether the system recovered after the last fault of a run. With zero Patience it was not observed.
type Recovery struct {
	Quiet    time.Duration // when the last fault ended
	Patience time.Duration // how long everything may take from then on

	Heads    []Sample  // of the chain
	Restarts []Restart // of processes
	Losses   []Loss    // of locks and leases
	Queues   []Queue   // at the end
	Stops    []Stop
}

// Sample is the head at a time, and how many transactions and requests wait then.
type Sample struct {
	At      time.Duration
	Head    uint64
	Waiting int
}

// Restart is a process that was started again.
type Restart struct {
	Name       string
	At, Served time.Duration // Served 0: never
}

// Loss is a lock or lease that its holder lost.
type Loss struct {
	Lock         string
	At, Regained time.Duration // by anyone; 0: never
}

// Queue is how much is kept at the end, and how much there is when nothing is to do.
type Queue struct {
	Name         string
	Size, Normal int
}

// Stop is a process that was asked to end.
type Stop struct {
	Name      string
	At, Ended time.Duration // 0: never
	Limit     time.Duration
}

// liveness checks L1 to L5.
func (c *checker) liveness() {
	r := c.Recovery
	if r.Patience == 0 {
		return
	}
	c.advances(r)
	late := func(at, done time.Duration) bool { return done == 0 || done > max(at, r.Quiet)+r.Patience }
	for _, x := range r.Restarts {
		if late(x.At, x.Served) {
			c.violated("L2", "%s, started at %s, did not serve again", x.Name, x.At)
		}
	}
	for _, x := range r.Losses {
		if late(x.At, x.Regained) {
			c.violated("L3", "%s, lost at %s, was not held again", x.Lock, x.At)
		}
	}
	for _, x := range r.Queues {
		if x.Size > x.Normal {
			c.violated("L4", "%s holds %d at the end, %d are normal", x.Name, x.Size, x.Normal)
		}
	}
	for _, x := range r.Stops {
		if x.Ended == 0 || x.Ended-x.At > x.Limit {
			c.violated("L5", "%s, asked to end at %s, did not within %s", x.Name, x.At, x.Limit)
		}
	}
}

// advances checks L1: while something waits, the head does not stand still for longer than Patience, and in the end
// nothing waits.
func (c *checker) advances(r Recovery) {
	moved, head := r.Quiet, uint64(0)
	for i, s := range r.Heads {
		if s.At <= r.Quiet || s.Head > head || s.Waiting == 0 {
			moved, head = max(s.At, r.Quiet), max(head, s.Head)
			continue
		}
		if s.At-moved > r.Patience || i == len(r.Heads)-1 {
			c.violated("L1", "%d wait at %s, the head is %d since %s", s.Waiting, s.At, s.Head, moved)
			return
		}
	}
}
