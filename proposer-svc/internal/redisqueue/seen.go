package redisqueue

import (
	"context"
	"time"

	"blindseq/proposer-svc/queue"
)

// find returns what is known of a request from the last look; a request that is not in it is taken for unknown, which
// the script checks.
func (s *Store) find(id string) *queue.Request {
	v := s.seen.view
	for _, r := range []*queue.Request{v.Known, v.Current, v.Head} {
		if id != "" && r != nil && r.ID == id {
			return r
		}
	}
	return nil
}

// look reads what is stored, unless what was seen last is good still.
func (s *Store) look(ctx context.Context, subject string) error {
	if !s.stale.Swap(false) && s.seen != nil {
		return nil
	}
	_, now, err := s.run(ctx, commit{saw: never, subject: subject})
	if err != nil {
		s.seen = nil
		return err
	}
	s.see(now)
	return nil
}

// never is no tag: a commit on it only looks.
const never = "-"

// View returns the current and the first request and the FIFO's length. It asks Redis only when what was seen last may
// be old.
func (s *Store) View(ctx context.Context) (queue.State, error) {
	if err := s.lock(ctx); err != nil {
		return queue.State{}, err
	}
	defer s.unlock()
	if err := s.look(ctx, ""); err != nil {
		return queue.State{}, s.after(ctx, "", err)
	}
	v := s.seen.view
	v.Known, v.Limits = nil, s.cfg.Limits
	return v, nil
}

// Refresh makes the next event or View ask Redis.
func (s *Store) Refresh() { s.stale.Store(true) }

// sight is the last state seen, for readers that do not wait for the mutex.
type sight struct {
	queued  int
	flying  string    // id of the request in flight
	started time.Time // when that was first seen in flight
}

func (s *Store) see(now snapshot) {
	s.seen = &now
	next := &sight{queued: now.view.Queued}
	if c := now.view.Current; c != nil && c.Phase == queue.InFlight {
		next.flying, next.started = c.ID, time.Now()
		if before := s.last.Load(); before != nil && before.flying == c.ID {
			next.started = before.started
		}
	}
	s.last.Store(next)
}

// Seen returns the FIFO's length when it was seen last, and for how long this replica has seen the same request in
// flight. It never waits.
func (s *Store) Seen() (queued int, inFlight time.Duration) {
	last := s.last.Load()
	if last == nil {
		return 0, 0
	}
	if last.flying != "" {
		inFlight = time.Since(last.started)
	}
	return last.queued, inFlight
}
