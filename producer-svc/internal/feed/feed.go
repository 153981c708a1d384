// Package feed publishes applied blueprints, from any number on and live.
//
// It guarantees that what is published is a prefix of what is applied, in order and without a gap, and always the same
// bytes: a blueprint is made from its log record each time it is asked for, signatures included, and both are
// deterministic. It keeps nothing in memory for subscribers, so a slow one does not affect others.
package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/notify"
	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

var (
	// ErrAhead is returned for a subscription from beyond the next number.
	ErrAhead = errors.New("number is above the next blueprint's")
	// ErrZero is returned for a subscription from number 0: the first blueprint is 1.
	ErrZero = errors.New("the first blueprint has number 1")
)

// Source makes an applied blueprint.
type Source interface {
	Blueprint(number uint64) (*blueprintv1.Blueprint, error)
}

// Feed is the published prefix of the chain.
type Feed struct {
	source Source

	mu      sync.Mutex
	head    uint64
	moved   time.Time
	changed notify.Broadcast // when head moves
}

// New returns a feed that has published blueprints up to head.
func New(source Source, head uint64) *Feed {
	return &Feed{source: source, head: head, moved: time.Now()}
}

// Publish makes an applied blueprint, and with it all before, visible. A number already published changes nothing.
func (f *Feed) Publish(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number <= f.head {
		return
	}
	f.head, f.moved = number, time.Now()
	f.changed.Notify()
}

// Head is the last number published.
func (f *Feed) Head() uint64 {
	head, _ := f.Watch()
	return head
}

// Age is how long ago the head moved, or the feed was made, by the monotonic clock.
func (f *Feed) Age() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.moved)
}

// Watch is the last number published, and a channel that is closed when there is another.
func (f *Feed) Watch() (head uint64, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head, f.changed.Changed()
}

// Get returns a published blueprint.
func (f *Feed) Get(number uint64) (*blueprintv1.Blueprint, error) {
	if head := f.Head(); number == 0 || number > head {
		return nil, fmt.Errorf("blueprint %d: %w, the last is %d", number, blueprint.ErrNotApplied, head)
	}
	b, err := f.source.Blueprint(number)
	if err != nil {
		return nil, fmt.Errorf("make blueprint %d: %w", number, err)
	}
	return b, nil
}

// Stream sends every blueprint from a number on, then new ones, until ctx ends or send fails.
func (f *Feed) Stream(ctx context.Context, from uint64, send func(*blueprintv1.Blueprint) error) error {
	if from == 0 {
		return ErrZero
	}
	if head := f.Head(); from > head+1 {
		return fmt.Errorf("stream from %d: %w, which is %d", from, ErrAhead, head+1)
	}
	for {
		head, changed := f.Watch()
		for ; from <= head; from++ {
			b, err := f.Get(from)
			if err != nil {
				return err
			}
			if err := send(b); err != nil {
				return fmt.Errorf("send blueprint %d: %w", from, err)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
