// Package steps tells, for transactions that somebody follows, each step on their way: accepted, final, opened, executed or ended.
//
// It guarantees: who follows gets each step once and in order, those that have happened first, however late it comes; a step is told
// only when the state that a call would show has it. Nothing is asked again and again: what changes a transaction wakes its followers.
// A slow one holds up nobody, and nothing is kept for it but its place.
package steps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/kit/notify"
	"blindseq/producer-svc/internal/rpc"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
)

// ErrTooMany says that Followers are served already.
var ErrTooMany = errors.New("too many transactions are followed; try again later")

// Followers is how many there may be at a time.
const Followers = 16384

// idle is how long the stream of final contents stays open when nobody follows any more.
const idle = 30 * time.Second

// Deps is what a Tracker works with.
type Deps struct {
	// Status is where a transaction is, by its hash, or its id if it is sealed.
	Status func(common.Hash) (rpc.Standing, error)
	// Ordered finds where a transaction was ordered, when the newest contents do not have it; nil when it cannot be shown.
	Ordered func(ctx context.Context, hash common.Hash, number uint64) (*preblockv1.Final, int, error)
	// Index is the index of a transaction in its block.
	Index func(common.Hash) (uint32, bool)
	// Monitor streams final contents; nil without a committee.
	Monitor Monitor
	Log     *slog.Logger
}

// Tracker knows who follows what. Its methods may be called from any goroutine.
type Tracker struct {
	Deps
	recent  recent
	entered notify.Wake

	mu        sync.Mutex
	followed  map[common.Hash]*place
	followers int
	pause     *time.Timer        // closes the stream when nobody follows any more
	closeNow  context.CancelFunc // of the stream; nil when it is closed
}

// place is a transaction that somebody follows.
type place struct {
	followers int
	changed   notify.Broadcast
}

// New returns a tracker; Run keeps its stream.
func New(d Deps) *Tracker {
	return &Tracker{Deps: d, entered: notify.NewWake(), followed: map[common.Hash]*place{}}
}

// Follow sends the steps of a transaction, and returns nil after the last one.
func (t *Tracker) Follow(ctx context.Context, hash common.Hash, send func(*blueprintv1.TransactionStep) error) error {
	at, err := t.enter(hash)
	if err != nil {
		return fmt.Errorf("follow %s: %w", hash, err)
	}
	defer t.leave(hash, at)
	for sent := none; ; {
		changed := at.changed.Changed() // before the look: nothing is missed in between
		steps, err := t.look(ctx, hash, sent)
		if err != nil {
			return fmt.Errorf("follow %s: %w", hash, err)
		}
		for _, one := range steps {
			if err := send(one); err != nil {
				return fmt.Errorf("follow %s: %w", hash, err)
			}
			if sent = rankOf(one.GetKind()); sent == last {
				return nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("follow %s: %w", hash, context.Cause(ctx))
		}
	}
}

func (t *Tracker) enter(hash common.Hash) (*place, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers >= Followers {
		return nil, ErrTooMany
	}
	at := t.followed[hash]
	if at == nil {
		at = new(place)
		t.followed[hash] = at
	}
	at.followers++
	t.followers++
	if t.pause != nil {
		t.pause.Stop()
	}
	t.entered.Notify()
	return at, nil
}

func (t *Tracker) leave(hash common.Hash, at *place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.followers--; at.followers == 0 {
		delete(t.followed, hash)
	}
	if t.followers--; t.followers == 0 {
		t.pause = time.AfterFunc(idle, t.close)
	}
}

// Count is how many follow.
func (t *Tracker) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.followers
}

// Changed wakes who follows one of these transactions.
func (t *Tracker) Changed(hashes ...common.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers == 0 {
		return
	}
	for _, hash := range hashes {
		if at := t.followed[hash]; at != nil {
			at.changed.Notify()
		}
	}
}

// Decided wakes who follows a sealed transaction of a record.
func (t *Tracker) Decided(rec *blueprintv1.LogRecord) {
	if t.Count() == 0 {
		return
	}
	for _, one := range rec.GetSealed() {
		t.Changed(common.BytesToHash(one.GetId()), common.BytesToHash(one.GetTransactionHash()))
	}
}

// Final notes a content that is final, by itself or with its outcomes, and wakes who follows one of its transactions.
func (t *Tracker) Final(f *preblockv1.Final) {
	if one := t.recent.add(f); one != nil && t.Count() > 0 {
		t.Changed(one.hashes()...)
	}
}
