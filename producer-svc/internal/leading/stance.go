// Package leading makes a replica the leader: it competes for the lease while the replica is fit to lead, makes blocks while
// the replica holds the lease, and reports its role.
//
// It guarantees: blocks are made only while the lease is held, and after everything that the DSN has fixed is applied; Stance
// is the one statement of "this replica leads", which everything else asks. It asks of callers: one Candidate for a process.
package leading

import (
	"sync"

	"blindseq/kit/notify"
)

// State is where a replica stands towards leading.
type State int

const (
	// Following: another replica leads, or none does.
	Following State = iota
	// Taking: it holds the lease and catches up with the DSN.
	Taking
	// Leading: it makes blocks.
	Leading
	// Ceding: the lease ends. It begins no block; the section under way ends.
	Ceding
)

// Stance is where this replica stands. The zero value is Following.
type Stance struct {
	notify.Broadcast // at each change
	mu               sync.Mutex
	now              State
}

// Now is the present state.
func (s *Stance) Now() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Leads says whether this replica makes blocks.
func (s *Stance) Leads() bool { return s.Now() == Leading }

// HoldsLease says whether this replica holds the lease, or has just lost it and ends its last section.
func (s *Stance) HoldsLease() bool { return s.Now() != Following }

// Set changes the state.
func (s *Stance) Set(to State) { s.move(func(State) State { return to }) }

// cede turns Leading into Ceding, and nothing else.
func (s *Stance) cede() {
	s.move(func(now State) State {
		if now == Leading {
			return Ceding
		}
		return now
	})
}

func (s *Stance) move(next func(State) State) {
	s.mu.Lock()
	before := s.now
	s.now = next(before)
	changed := s.now != before
	s.mu.Unlock()
	if changed {
		s.Notify()
	}
}
