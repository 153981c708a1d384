package sim

import "time"

// scheduler is virtual time: what happens, in the order of its time, and of being scheduled where times are equal.
type scheduler struct {
	now  time.Duration
	heap []*timer
	seq  uint64
}

// timer is one thing that will happen unless it is stopped.
type timer struct {
	at   time.Duration
	seq  uint64
	do   func()
	over bool
}

func (t *timer) stop() {
	if t != nil {
		t.over = true
	}
}

func (s *scheduler) after(d time.Duration, do func()) *timer {
	s.seq++
	t := &timer{at: s.now + max(d, 0), seq: s.seq, do: do}
	s.heap = append(s.heap, t)
	s.up(len(s.heap) - 1)
	return t
}

// step makes the next thing happen. It says whether there was one before the end.
func (s *scheduler) step(end time.Duration) bool {
	for len(s.heap) > 0 && s.heap[0].at <= end {
		t := s.pop()
		if t.over {
			continue
		}
		s.now, t.over = t.at, true
		t.do()
		return true
	}
	s.now = max(s.now, end)
	return false
}

func (s *scheduler) pop() *timer {
	t, last := s.heap[0], len(s.heap)-1
	s.heap[0], s.heap[last] = s.heap[last], nil
	s.heap = s.heap[:last]
	s.down(0)
	return t
}

func (s *scheduler) before(i, j int) bool {
	a, b := s.heap[i], s.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (s *scheduler) up(i int) {
	for i > 0 && s.before(i, (i-1)/2) {
		s.heap[i], s.heap[(i-1)/2] = s.heap[(i-1)/2], s.heap[i]
		i = (i - 1) / 2
	}
}

func (s *scheduler) down(i int) {
	for {
		least := i
		for _, c := range [...]int{2*i + 1, 2*i + 2} {
			if c < len(s.heap) && s.before(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
}
