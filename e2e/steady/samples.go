package steady

import (
	"sync"
	"time"
)

// samples are the times that transfers took since the last look.
type samples struct {
	mu  sync.Mutex
	all []time.Duration
}

func (s *samples) add(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, took)
}

func (s *samples) take() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}
