package rules

import (
	"errors"
	"sync"
)

// Bounds of what is checked together.
const (
	// sharedAtOnce is how many batches are checked at the same time: the sum of a batch takes one processor, and meanwhile another
	// batch can be prepared.
	sharedAtOnce = 2
	// sharedSize is the largest number of transactions in a batch. More would cost hardly less each, and garbage in a batch makes
	// everybody in it wait.
	sharedSize = 128
)

// errUnchecked is the answer to a caller whose batch was not checked to its end.
var errUnchecked = errors.New("the check was not finished")

// CheckShared is CheckAll for many callers at the same time, of few transactions each: those that come while others are being
// checked are checked together, which costs each about a quarter. Nobody waits for more callers to come. A bad transaction costs
// the others of its batch the search for it. A caller with many takes its turns with the others.
func (k *Checker) CheckShared(raws [][]byte) []error {
	errs := make([]error, 0, len(raws))
	for len(raws) > 0 {
		n := min(len(raws), sharedSize)
		errs = append(errs, k.shared.do(raws[:n])...)
		raws = raws[n:]
	}
	return errs
}

// sharing lets callers that come at the same time be checked together. Its queue holds one entry for each waiting caller.
type sharing struct {
	check func(raws [][]byte) []error

	mu      sync.Mutex
	running int       // batches being checked
	waiting []*caller // by arrival; empty while running is below sharedAtOnce
}

// caller is one that waits. When it is woken with a batch it checks that, and is in it; with none, it has its errors.
type caller struct {
	raws [][]byte
	errs []error
	wake chan []*caller
}

func (s *sharing) do(raws [][]byte) []error {
	c := &caller{raws: raws, errs: make([]error, len(raws)), wake: make(chan []*caller, 1)}
	for i := range c.errs {
		c.errs[i] = errUnchecked
	}
	batch := s.enter(c)
	if batch == nil {
		batch = <-c.wake
	}
	if batch != nil {
		s.run(c, batch)
	}
	return c.errs
}

// enter returns the batch that a caller checks now, itself alone, or queues it.
func (s *sharing) enter(c *caller) []*caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == sharedAtOnce {
		s.waiting = append(s.waiting, c)
		return nil
	}
	s.running++
	return []*caller{c}
}

// run checks a batch for all in it, of whom self is one.
func (s *sharing) run(self *caller, batch []*caller) {
	defer s.finish(self, batch)
	var raws [][]byte
	for _, c := range batch {
		raws = append(raws, c.raws...)
	}
	errs := s.check(raws)
	for _, c := range batch {
		copy(c.errs, errs)
		errs = errs[len(c.errs):]
	}
}

// finish wakes all others of a batch, and the first of the next one to check that.
func (s *sharing) finish(self *caller, batch []*caller) {
	for _, c := range batch {
		if c != self {
			c.wake <- nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.next(); next != nil {
		next[0].wake <- next
		return
	}
	s.running--
}

// next takes callers from the queue, as many as fit in a batch. The caller holds mu.
func (s *sharing) next() (batch []*caller) {
	size := 0
	for len(s.waiting) > 0 && (size == 0 || size+len(s.waiting[0].raws) <= sharedSize) {
		c := s.waiting[0]
		s.waiting[0] = nil
		batch, s.waiting, size = append(batch, c), s.waiting[1:], size+len(c.raws)
	}
	return batch
}
