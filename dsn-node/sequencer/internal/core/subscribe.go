package core

import (
	"context"
	"fmt"
	"sync"

	"blindseq/kit/notify"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// feed says how far preblocks are fixed. It keeps the newest one, which is what every live subscriber wants
// next; older ones come from the log.
type feed struct {
	mu      sync.Mutex
	last    uint64
	newest  *preblockv1.Preblock // nil until one was fixed in this process
	changed notify.Broadcast     // at each publish
}

func newFeed(last uint64) *feed {
	return &feed{last: last}
}

func (f *feed) publish(number uint64, p *preblockv1.Preblock) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.newest = number, p
	f.changed.Notify()
}

func (f *feed) get() (last uint64, newest *preblockv1.Preblock, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.newest, f.changed.Changed()
}

// Last is the last number fixed, 0 before the first.
func (c *Core) Last() uint64 {
	last, newest, _ := c.feed.get()
	if newest == nil {
		return 0 // opening a log publishes the last one that was fixed
	}
	return last
}

// Subscribers is how many subscriptions are open.
func (c *Core) Subscribers() int { return int(c.subscribers.Load()) }

// Preblock returns the preblock of a number.
func (c *Core) Preblock(number uint64) (*preblockv1.Preblock, error) {
	last, newest, _ := c.feed.get()
	switch {
	case number < c.first:
		return nil, fmt.Errorf("preblock %d: %w: %d", number, ErrNotHeld, c.first)
	case number > last:
		return nil, fmt.Errorf("preblock %d: %w", number, ErrNotFixed)
	case number == last && newest != nil:
		return newest, nil
	}
	return c.store.preblock(number)
}

// Accepted is the last number whose proposal is accepted, 0 before the first.
func (c *Core) Accepted() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if accepted := c.state.Accepted(); accepted >= c.first {
		return accepted
	}
	return 0
}

// Subscription gives every preblock from a number on, in order: at the subscriber's pace, which nothing else waits
// for. It holds a position and no preblocks. One goroutine uses it.
type Subscription struct {
	core *Core
	next uint64
}

// Subscribe begins a subscription with the preblock of a number, fixed or not; Close ends it.
func (c *Core) Subscribe(from uint64) (*Subscription, error) {
	if from < c.first {
		return nil, fmt.Errorf("subscribe from preblock %d: %w: %d", from, ErrNotHeld, c.first)
	}
	return c.subscribe(from)
}

// SubscribeNew begins a subscription with the first preblock that is not fixed yet.
func (c *Core) SubscribeNew() (*Subscription, error) {
	last, _, _ := c.feed.get()
	return c.subscribe(last + 1)
}

func (c *Core) subscribe(from uint64) (*Subscription, error) {
	if c.subscribers.Add(1) > int64(c.o.MaxSubscribers) {
		c.subscribers.Add(-1)
		return nil, fmt.Errorf("subscribe from preblock %d: %w: %d", from, ErrTooManySubscribers, c.o.MaxSubscribers)
	}
	return &Subscription{core: c, next: from}, nil
}

// Close ends the subscription.
func (s *Subscription) Close() { s.core.subscribers.Add(-1) }

// Next returns the next preblock, and waits for it if need be.
func (s *Subscription) Next(ctx context.Context) (*preblockv1.Preblock, error) {
	for {
		last, _, changed := s.core.feed.get()
		if s.next <= last {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for preblock %d: %w", s.next, context.Cause(ctx))
		}
	}
	p, err := s.core.Preblock(s.next)
	if err != nil {
		return nil, err
	}
	s.next++
	return p, nil
}
