package follow

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"blindseq/kit/notify"
)

const (
	// near is how many blocks behind the DSN a replica still counts as being at the head: what a few blocks a moment
	// ago amount to at network speed.
	near = 16
	// behind is from where on another replica had better lead.
	behind = 64
	// far is from where on catching up is worth while to prepare for.
	far       = 2048
	tellEvery = 5 * time.Second
	askEvery  = time.Second
)

// Progress is how far a replica has come.
type Progress struct {
	Known bool   // the DSN was reached through the monitor since the process began
	Head  uint64 // last number applied by following
	Fixed uint64 // last number the DSN is known to have fixed
	From  uint64 // head at which catching up began
	Err   error  // why following is interrupted; nil while it is not
}

// Lag is how many preblocks are known to be fixed and not applied.
func (p Progress) Lag() uint64 { return max(p.Fixed, p.Head) - p.Head }

// Reason says what keeps the replica from being at the head; "" when nothing does.
func (p Progress) Reason() string {
	switch {
	case !p.Known && p.Err != nil:
		return "no preblocks can be had yet: " + p.Err.Error()
	case !p.Known:
		return "no preblocks were asked for yet"
	case p.Lag() > near && p.Err != nil:
		return fmt.Sprintf("catching up: %s of %s, interrupted: %s", thousands(p.Head-p.From), thousands(p.Fixed-p.From), p.Err)
	case p.Lag() > near:
		return fmt.Sprintf("catching up: %s of %s", thousands(p.Head-p.From), thousands(p.Fixed-p.From))
	}
	return ""
}

// progress is Progress as it is kept.
type progress struct {
	state *state
}

type state struct {
	mu      sync.Mutex
	now     Progress
	held    bool
	halted  bool      // after an alarm
	started time.Time // of catching up
	shown   string
	changed notify.Broadcast // when the reason, or whether it may lead, has changed
}

func newProgress() progress { return progress{state: new(state)} }

// Progress is how far it has come, and a channel that is closed when Reason or May may say another thing.
func (p progress) Progress() (Progress, <-chan struct{}) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.now, p.state.changed.Changed()
}

// May says whether this replica is fit to lead: it is not far behind, or its lag is unknown, because it may be the only one. After an alarm it
// is not: another's chain may be sound.
func (p progress) May() bool {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.may()
}

func (s *state) may() bool {
	return !s.halted && (s.held || (s.now.Known && s.now.Lag() <= behind) || (!s.now.Known && s.now.Err != nil))
}

// Await waits until the head is near to what the DSN has fixed.
func (p progress) Await(ctx context.Context) error {
	for {
		now, changed := p.Progress()
		if now.Reason() == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", now.Reason(), context.Cause(ctx))
		}
	}
}

func (p progress) change(f func(s *state)) {
	s := p.state
	s.mu.Lock()
	defer s.mu.Unlock()
	before, could := s.shown, s.may()
	f(s)
	s.shown = s.now.Reason()
	if s.shown != before || s.may() != could {
		s.changed.Notify()
	}
}

func (p progress) holding(held bool) {
	p.change(func(s *state) {
		s.held = held
		if !held { // the former holder has moved the head
			s.now.Fixed = 0
		}
	})
}

func (p progress) began(head, fixed uint64) {
	p.change(func(s *state) {
		if s.now.Known && s.now.Lag() > near && s.now.Head == head { // continuing after a break
			s.now.Fixed, s.now.Err = max(s.now.Fixed, fixed), nil
			return
		}
		s.now = Progress{Known: true, Head: head, From: head, Fixed: max(fixed, head)}
		s.started = time.Now()
	})
}

func (p progress) reached(fixed uint64) {
	p.change(func(s *state) {
		if s.now.Lag() <= near {
			s.now.From, s.started = s.now.Head, time.Now()
		}
		s.now.Fixed = max(s.now.Fixed, fixed)
	})
}

func (p progress) applied(number uint64) {
	p.change(func(s *state) { s.now.Head, s.now.Fixed = number, max(s.now.Fixed, number) })
}

func (p progress) halt() { p.change(func(s *state) { s.halted = true }) }

func (p progress) halted() bool {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.halted
}

func (p progress) failed(err error) { p.change(func(s *state) { s.now.Err = err }) }

func (p progress) lag() uint64 {
	now, _ := p.Progress()
	return now.Lag()
}

// tell logs how catching up goes.
func (f *Follower) tell(ctx context.Context) {
	f.state.mu.Lock()
	now, started := f.state.now, f.state.started
	f.state.mu.Unlock()
	if now.Lag() <= near {
		return
	}
	rate := float64(now.Head-now.From) / time.Since(started).Seconds()
	f.Slog.InfoContext(ctx, "catching up", "number", now.Head, "of", now.Fixed, "remaining", now.Lag(), "blocks_per_second", int(rate))
}

// thousands writes 10,000.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
