// Package redisqueue keeps the FIFO of proposal requests in Redis.
//
// The transitions are those of package queue, computed here and applied by a Lua script that first checks, in the same
// atomic step, that nothing changed since the transition looked and that the lease of the active proposer is still the
// one the event was made under. So any replica may cause events, and a former active proposer that was paused cannot
// write. A second copy of the transitions in Lua would save nothing: as the script answers with what it left behind,
// the next transition needs no look before, and a lone replica pays one round trip for each event.
//
// Nothing here is the only copy of anything: after Redis is wiped the FIFO is empty and waiters ask again.
package redisqueue

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"blindseq/kit/notify"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/kit/retry"
	"blindseq/proposer-svc/queue"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrUnavailable is returned when Redis did not answer. Whether the event happened is not known; every event is
	// safe to repeat.
	ErrUnavailable = errors.New("redis did not answer")
	// ErrContended is returned when others changed the FIFO again and again in between.
	ErrContended = errors.New("the FIFO changes too fast")
)

// RecentLimit is how many processed requests are listed at most.
const RecentLimit = 500

// processedLimit is how many requests at least are processed after one before its id is forgotten, within --processed-ttl: two minutes
// of the fastest, which is longer than a waiter asks again. What an id gave is found in the blueprint log for longer.
const processedLimit = 16_384

// Config says how the FIFO is kept.
type Config struct {
	Limits       queue.Limits
	ProcessedTTL time.Duration // how long the id of a processed request is known, while processedLimit allows
	// Holder is under which name this replica holds the lease of the active proposer; nil checks the token alone.
	Holder func() string
}

// Store is the FIFO in Redis. It is safe for concurrent use.
type Store struct {
	rdb    *redisx.Client
	cfg    Config
	log    *slog.Logger
	script *redis.Script
	keys   []string
	id     atomic.Pointer[string] // of this store, first part of the tags it leaves
	wake   notify.Wake
	last   atomic.Pointer[sight]
	stale  atomic.Bool // others changed the FIFO after it was seen

	turn   chan struct{} // a mutex that gives up with a context; guards what follows
	writes uint64
	seen   *snapshot // the last one seen, nil when it may be old
}

// New returns the store of one replica.
func New(rdb *redisx.Client, cfg Config, log *slog.Logger) *Store {
	names := rdb.Names
	s := &Store{
		rdb: rdb, cfg: cfg, log: log, script: redis.NewScript(redisx.MemoryLua + commitSource),
		keys: []string{
			names.ProposerState(), names.ProposerFIFO(), names.ProposerRequests(), names.ProposerRecent(),
			names.EndingRequest(), names.ProposerProcessed(), names.ProposerProcessedOlder(),
			names.LockLease(rediskeys.ProposerLease),
		},
		wake: notify.NewWake(),
		turn: make(chan struct{}, 1),
	}
	s.rename()
	return s
}

func (s *Store) rename() {
	id := crand.Text()
	s.id.Store(&id)
}

// Wake says that the FIFO may have changed.
func (s *Store) Wake() <-chan struct{} { return s.wake.C() }

// Apply makes an event happen and returns the request it is about, as it stands afterwards.
func (s *Store) Apply(ctx context.Context, e queue.Event) (queue.Request, error) {
	if err := s.lock(ctx); err != nil {
		return queue.Request{}, err
	}
	defer s.unlock()
	if s.seen != nil {
		s.seen.view.Known = nil // it may have been forgotten since: its time is not part of the tag
	}
	for began, tries := time.Now(), 1; time.Since(began) < commandTimeout; tries++ {
		done, r, err := s.try(ctx, e)
		if err != nil {
			err = s.after(ctx, e.Subject(), err)
			if errors.Is(err, ErrUnavailable) {
				s.doubt()
			}
			return queue.Request{}, err
		}
		if done {
			return r, nil
		}
		if err := giveWay(ctx, tries); err != nil {
			return queue.Request{}, err
		}
	}
	return queue.Request{}, fmt.Errorf("request %q: %w", e.Subject(), ErrContended)
}

// giveWay waits a random time after more than a few lost races, so that no replica loses them all.
func giveWay(ctx context.Context, tries int) error {
	if tries <= 3 {
		return nil
	}
	if err := retry.Sleep(ctx, rand.N(time.Duration(min(tries, 20))*time.Millisecond)); err != nil {
		return unavailable(err)
	}
	return nil
}

// try computes the transition on what was seen last, and commits it if that still holds. An event that is refused, or
// changes nothing, is committed too: that checks that the refusal was not for something outdated.
func (s *Store) try(ctx context.Context, e queue.Event) (done bool, r queue.Request, err error) {
	if err := s.look(ctx, e.Subject()); err != nil {
		return false, r, err
	}
	v := s.seen.view
	v.Known, v.Limits = s.find(e.Subject()), s.cfg.Limits
	next, effects, refused := queue.Next(v, e)
	outcome, now, err := s.run(ctx, s.commitOf(e, next, effects, v.Known == nil))
	if err != nil {
		return false, r, err
	}
	s.see(now)
	switch outcome {
	case notActive:
		return false, r, fmt.Errorf("request %q: %w", e.Subject(), queue.ErrNotActive)
	case changed:
		return false, r, nil
	}
	if len(effects) > 0 {
		s.wake.Notify()
	}
	return true, next.Result(), refused
}

func (s *Store) commitOf(e queue.Event, next queue.State, effects []queue.Effect, unknown bool) commit {
	c := commit{saw: s.seen.tag, leave: s.seen.tag, subject: e.Subject(), unknown: unknown, effects: effects, ending: ending(next.Current)}
	token, leased := e.Lease()
	if leased {
		c.lease = strconv.FormatUint(token, 10)
	}
	if len(effects) > 0 {
		s.writes++
		c.leave = *s.id.Load() + ":" + strconv.FormatUint(s.writes, 10)
		if !leased { // the active proposer knows what it does itself
			c.channel = s.rdb.Names.ProposerEvents()
		}
	}
	return c
}

// doubt makes this replica look at the FIFO: a command without a reply may have been executed, and its repeat then changes
// nothing more. A slow connection may also deliver it later: under the new name, Watch takes it for another replica's.
func (s *Store) doubt() {
	s.rename()
	s.wake.Notify()
}

// after forgets what was seen when an error leaves open what is stored, and clears a FIFO that cannot be read.
func (s *Store) after(ctx context.Context, subject string, err error) error {
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDamaged) {
		s.seen = nil
	}
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	s.log.ErrorContext(ctx, "FIFO in Redis is damaged, clearing it", "error", err)
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if cleared := s.clear(ctx, subject); cleared != nil {
		err = fmt.Errorf("%w; clear it: %w", err, cleared)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// clear removes the FIFO, and what is remembered of one processed request.
func (s *Store) clear(ctx context.Context, subject string) error {
	gone := slices.Clone(s.keys[:5])
	for _, processed := range s.keys[5:7] {
		if s.rdb.HDel(ctx, processed, subject).Err() != nil { // it is no hash
			gone = append(gone, processed)
		}
	}
	return s.rdb.Del(ctx, gone...).Err()
}

func (s *Store) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (s *Store) unlock() { <-s.turn }
