package producer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
)

// Where a replica stands towards leading.
const (
	standing = iota // it follows
	taking          // it has the lease and takes what is missing
	leads
)

// stance is where this replica stands, and tells of changes.
type stance struct {
	mu      sync.Mutex
	now     int
	changed chan struct{} // closed at the next change
}

func newStance() *stance { return &stance{changed: make(chan struct{})} }

func (s *stance) set(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == to {
		return
	}
	s.now = to
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stance) get() (now int, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.changed
}

// leader is who leads as far as this replica knows; none when it is this one.
func (s *Service) otherLeads() (leader.Endpoint, bool) {
	e, known := s.directory.Current(rediskeys.ProducerLease)
	return e, known && e.ID() != s.endpoint.ID()
}

// report keeps what an operator sees of role and progress until ctx ends. A replica that does not lead is ready for reads
// while another is known to lead and it is near the head itself.
func (s *Service) report(ctx context.Context) error {
	for {
		moved := s.directory.Changed()
		now, turned := s.makes.stance.get()
		progress, advanced := s.follow.Progress()
		other, led := s.otherLeads()
		reason, note := "", s.cfg.Role
		switch {
		case now == leads:
			note = "leads"
		case now == taking:
			reason, note = "catching up with the DSN", "takes the lead"
		case led:
			note = fmt.Sprintf("%s of %s", s.standsAs(), other.ID())
		case !s.cfg.observes():
			reason = "nobody leads: the lease cannot be had, or another producer has just lost it"
		}
		s.health.Set("leader", reason)
		s.health.Note("role", note)
		if now == leads {
			s.health.Set("follow", "")
		} else {
			s.health.Set("follow", progress.Reason())
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

func (s *Service) standsAs() string {
	if s.cfg.observes() {
		return "observer"
	}
	return "standby"
}

// campaign competes for the lease whenever this replica is fit to lead: one that is far behind leaves it to another.
func (s *Service) campaign(ctx context.Context) error {
	s.letStandbysGoFirst(ctx)
	for ctx.Err() == nil {
		_, changed := s.follow.Progress()
		if !s.follow.May() {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := s.compete(ctx); err != nil {
			return err
		}
	}
	return nil
}

// goFirst is for how long after its lease a leader that died and started again leaves it to those who stood by.
const goFirst = time.Second

// letStandbysGoFirst has a leader that died and came back before its lease was over wait until a standby leads, if there
// is one: that one has all at hand, and this one would have to catch up first, and may die again.
func (s *Service) letStandbysGoFirst(ctx context.Context) {
	led, err := lock.Inspect(ctx, s.rdb, rediskeys.ProducerLease)
	if err != nil || led.Holder == "" || leader.EndpointOf(led.Meta).ID() != s.endpoint.ID() {
		return
	}
	roster := leader.NewRoster(s.rdb, rediskeys.ProducerLease)
	if err := roster.Look(ctx); err != nil || !slices.ContainsFunc(roster.Current(), func(r leader.Replica) bool {
		return r.MayLead && r.ID() != s.endpoint.ID()
	}) {
		return
	}
	s.log.InfoContext(ctx, "this producer led when it ended: a standby goes first", "lease", rediskeys.ProducerLease)
	timer := time.NewTimer(s.cfg.LeaseTTL + goFirst)
	defer timer.Stop()
	for {
		changed := s.directory.Changed()
		if _, other := s.otherLeads(); other {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// compete campaigns until this replica falls far behind while another leads, or ctx ends.
func (s *Service) compete(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s.follow.May() || s.holdsLease() {
			_, changed := s.follow.Progress()
			_, turned := s.makes.stance.get()
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
	return leader.Campaign(ctx, s.lease, s.endpoint, s.makes.lead)
}

func (s *Service) holdsLease() bool {
	now, _ := s.makes.stance.get()
	return now != standing
}

// haltedHere is why the producer that leads makes no block until a person has looked. One that does not lead has nothing to
// say about it: another may.
func (s *Service) haltedHere() error {
	if !s.holdsLease() {
		return nil
	}
	return s.guard.Halted()
}

// enroll lets the gateways find this replica for reads while it is ready.
func (s *Service) enroll(ctx context.Context) error {
	return leader.Enroll(ctx, s.rdb, rediskeys.ProducerLease, func() (leader.Replica, bool) {
		return leader.Replica{Endpoint: s.endpoint, Head: s.ledger.Head().Number, MayLead: !s.cfg.observes()}, len(s.health.Ready()) == 0
	})
}
