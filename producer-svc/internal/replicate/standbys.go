// Package replicate keeps what the leading producer has acknowledged on the disks of its standbys too, so that it survives
// the loss of the leader's volume, and brings what only a standby has to the leader.
//
// It guarantees: with Policy.Replicas of N, and unless Policy.Degrade lets it, nothing is confirmed that is not on the disks
// of N standbys; a standby that was away first gets all that is in no block yet; when the leader changes, a standby gives
// the new one what that does not have. A slow standby costs the leader no memory: what it needs next is read from the
// store.
//
// It promises nothing of order between replicas: what comes twice is one, by its hash.
package replicate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"blindseq/kit/notify"
)

var (
	// ErrUnreplicated refuses what too few standbys have.
	ErrUnreplicated = errors.New("too few standbys have the transaction")
	// ErrNotLeading is returned by a producer that does not lead.
	ErrNotLeading = errors.New("not the leading producer")
	// ErrStranger refuses a replica of another chain, or with another sequencer's key or committee.
	ErrStranger = errors.New("replica does not belong here")
	// ErrBadRequest is returned for a request that is malformed.
	ErrBadRequest = errors.New("bad request")
)

// errReplaced ends a stream for a later one of the same replica.
var errReplaced = errors.New("the replica opened another stream")

// Policy is what an acknowledgement waits for.
type Policy struct {
	Replicas int           // standbys that must have it; 0: nobody is waited for
	Timeout  time.Duration // how long they are waited for
	Degrade  bool          // after that acknowledge all the same, and without waiting until they are back
}

// Standbys is the leader's side: who stands by, and how far each has got.
type Standbys struct {
	policy   Policy
	log      *slog.Logger
	degraded func() // called for each acknowledgement that too few standbys have

	mu       sync.Mutex
	term     context.Context // nil while not leading
	sessions map[string]*session
	short    bool             // degraded, until enough standbys are back
	moved    notify.Broadcast // a session came, went or advanced
}

type session struct {
	replica string
	ctx     context.Context
	end     context.CancelCauseFunc
	stop    func() bool // forgets to end with the term
	sent    uint64      // position up to which it was sent everything
	durable uint64      // never above sent
}

// NewStandbys returns a Standbys without a term. degraded is called for each acknowledgement that had to do without standbys.
func NewStandbys(p Policy, degraded func(), log *slog.Logger) *Standbys {
	return &Standbys{policy: p, degraded: degraded, log: log, sessions: map[string]*session{}}
}

// Lead lets standbys come until ctx ends or the returned function is called, which ends their streams.
func (h *Standbys) Lead(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.term = ctx
	return func() {
		h.mu.Lock()
		h.term = nil
		h.mu.Unlock()
		cancel(ErrNotLeading)
	}
}

// Standbys is how many stand by now, and whether acknowledgements go without them.
func (h *Standbys) Standbys() (connected int, short bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions), h.short
}

// Behind is how far the slowest standby is behind a position.
func (h *Standbys) Behind(position uint64) (most uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		most = max(most, position-min(s.durable, position))
	}
	return most
}

// Text says for a person who stands by and how many changes each is behind a position.
func (h *Standbys) Text(position uint64) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.term == nil || h.term.Err() != nil {
		return ""
	}
	all := make([]string, 0, len(h.sessions))
	for _, replica := range slices.Sorted(maps.Keys(h.sessions)) {
		all = append(all, fmt.Sprintf("%s is %d changes behind", replica, position-min(h.sessions[replica].durable, position)))
	}
	text := strings.Join(all, "; ")
	if missing := h.policy.Replicas - len(all); missing > 0 {
		text = strings.TrimPrefix(text+fmt.Sprintf("; %d of %d are missing", missing, h.policy.Replicas), "; ")
	}
	return text
}

// Admit waits until enough standbys are there for a Confirm to have a chance. Ask it before anything is done with a
// transaction: one that is refused here has left no trace.
func (h *Standbys) Admit(ctx context.Context) error {
	if h.policy.Replicas == 0 || h.policy.Degrade {
		return nil
	}
	if err := h.await(ctx.Done(), func(*session) bool { return true }, "none of it was taken"); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// Confirm waits until enough standbys have everything up to a position on their disks. An error does not mean that the
// transactions are gone: they are here, perhaps at a standby, and may get into a block.
func (h *Standbys) Confirm(position uint64) error {
	if h.policy.Replicas == 0 {
		return nil
	}
	err := h.await(nil, func(s *session) bool { return s.durable >= position },
		"it may get into a block all the same; send it again to have it confirmed")
	if err == nil || !h.policy.Degrade {
		return err
	}
	h.degraded()
	return nil
}

// await waits until enough sessions are as they should be.
func (h *Standbys) await(left <-chan struct{}, good func(*session) bool, hint string) error {
	timer := time.NewTimer(h.policy.Timeout)
	defer timer.Stop()
	for {
		have, connected, moved := h.count(good)
		switch {
		case have >= h.policy.Replicas:
			return nil
		case h.policy.Degrade && connected < h.policy.Replicas && h.isShort():
			return ErrUnreplicated
		}
		select {
		case <-moved:
		case <-left:
			return ErrUnreplicated
		case <-timer.C:
			h.shorten(connected)
			return fmt.Errorf("%w: %d of %d after %s, %d connected; %s", ErrUnreplicated, have, h.policy.Replicas, h.policy.Timeout, connected, hint)
		}
	}
}

func (h *Standbys) count(good func(*session) bool) (have, connected int, moved <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		if good(s) {
			have++
		}
	}
	if have >= h.policy.Replicas && h.short {
		h.short = false
		h.log.Info("enough standbys have what is acknowledged again", "standbys", len(h.sessions))
	}
	return have, len(h.sessions), h.moved.Changed()
}

func (h *Standbys) isShort() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.short
}

func (h *Standbys) shorten(connected int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.short {
		return
	}
	h.short = true
	h.log.Error("too few standbys have what is acknowledged", "wanted", h.policy.Replicas, "connected", connected, "degrade", h.policy.Degrade)
}

// join takes a replica in. A second stream of it ends the first, which may be half open.
func (h *Standbys) join(ctx context.Context, replica string) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.term == nil || h.term.Err() != nil {
		return nil, ErrNotLeading
	}
	s := &session{replica: replica}
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.stop = context.AfterFunc(h.term, func() { s.end(ErrNotLeading) })
	if earlier := h.sessions[replica]; earlier != nil {
		earlier.end(errReplaced)
	}
	h.sessions[replica] = s
	h.moved.Notify()
	return s, nil
}

func (h *Standbys) leave(s *session) {
	s.stop()
	s.end(context.Canceled)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.replica] == s {
		delete(h.sessions, s.replica)
	}
	h.moved.Notify()
}

// sends notes that a standby is sent everything up to a position.
func (h *Standbys) sends(s *session, position uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.sent = max(s.sent, position)
}

// has takes in how far a standby says it is. What it was never sent it cannot have.
func (h *Standbys) has(s *session, position uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if position > s.sent {
		return fmt.Errorf("%w: it says that it has position %d and was sent up to %d", ErrBadRequest, position, s.sent)
	}
	s.durable = max(s.durable, position)
	h.moved.Notify()
	return nil
}
