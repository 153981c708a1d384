package merge

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestWhateverTheOrder drives the machine from seeds with preblocks delayed, repeated and reordered, breaks, notices and
// waiters that come and go, and checks: order without a gap, one reply for a waiter and the right one, bounds.
func TestWhateverTheOrder(t *testing.T) {
	for seed := range uint64(200) {
		s := sim{t: t, rng: rand.New(rand.NewPCG(seed, 2)), m: New(limits()), waits: map[uint64]Wait{}, notices: map[string]bool{}}
		step(t, &s.m, Started{0})
		for range 400 {
			s.random()
		}
		if s.applied == 0 || s.answered == 0 {
			t.Fatalf("seed %d: %d preblocks, %d answers: nothing was tested", seed, s.applied, s.answered)
		}
	}
}

type sim struct {
	t        *testing.T
	rng      *rand.Rand
	m        State
	sent     uint64 // by the stream
	applied  uint64
	lastID   uint64
	answered int
	waits    map[uint64]Wait
	notices  map[string]bool
	fetch    []uint64
}

func (s *sim) random() {
	switch s.rng.IntN(9) {
	case 0, 1, 2:
		s.sent += 1 + s.rng.Uint64N(2)*s.rng.Uint64N(2) // sometimes one is skipped
		s.feed(block(s.t, s.sent))
	case 3:
		s.feed(block(s.t, 1+s.rng.Uint64N(s.sent+1)))
	case 4:
		s.feed(Broken{})
		s.sent = s.m.NextNumber() - 1
	case 5, 6:
		s.lastID++
		w := Wait{s.lastID, fmt.Sprint("q", s.rng.IntN(400)), 1 + s.rng.Uint64N(s.sent+4)}
		s.waits[w.Waiter] = w
		s.feed(w)
	case 7:
		id := fmt.Sprint("q", s.rng.IntN(400))
		s.notices[id] = true
		s.feed(NoPreblock{id, empty})
	case 8:
		if len(s.fetch) > 0 {
			number := s.fetch[0]
			s.fetch = s.fetch[1:]
			s.feed(asked(block(s.t, number)))
		}
	}
}

func (s *sim) feed(in Event) {
	for _, e := range step(s.t, &s.m, in) {
		switch e := e.(type) {
		case Advanced:
			if n := e.Preblock.Content.Number; n != s.applied+1 {
				s.t.Fatalf("preblock %d took effect after %d", n, s.applied)
			}
			s.applied++
		case Fetch:
			s.fetch = append(s.fetch, e.Number)
		case Answer:
			w, waits := s.waits[e.Waiter]
			right := e.Reply.Preblock.GetContent().GetNumber() == w.Number ||
				e.Reply.NoPreblock.GetRequestId() == w.RequestID && s.notices[w.RequestID]
			if !waits || !right {
				s.t.Fatalf("waiter %+v (waits: %v) got %v", w, waits, e.Reply)
			}
			delete(s.waits, e.Waiter)
			s.answered++
		case Halted:
			s.t.Fatalf("halted: %+v", e)
		}
	}
	for _, w := range s.waits {
		if s.m.Cached(w.Number) != nil {
			s.t.Fatalf("waiter %+v was not answered", w)
		}
	}
	l := s.m.limits
	if len(s.m.cache.blocks) > l.CacheBlocks || len(s.m.held) > l.Held || len(s.m.shown) > l.Hashes+l.Held+1 || len(s.m.ended.ends) > l.Ended {
		s.t.Fatalf("too much is kept: %d, %d, %d, %d", len(s.m.cache.blocks), len(s.m.held), len(s.m.shown), len(s.m.ended.ends))
	}
}
