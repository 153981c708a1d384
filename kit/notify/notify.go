// Package notify wakes goroutines: Broadcast wakes all that wait, Wake wakes one and coalesces.
//
// Both guarantee that a change is never missed: a waiter that takes the channel, then looks at the state, then waits, sees
// every change after its look. Neither blocks the notifier. Both ask callers to keep the state itself elsewhere.
package notify

import "sync"

// Broadcast notifies every waiter of a change. The zero value is ready to use; it must not be copied.
type Broadcast struct {
	mu      sync.Mutex
	changed chan struct{} // closed by the next Notify; nil while nobody has asked
}

// Changed returns a channel that is closed by the next Notify. Take it before you look at the state.
func (b *Broadcast) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// Notify wakes all that wait on a channel from Changed.
func (b *Broadcast) Notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Wake wakes one goroutine. Any number of Notify calls before it receives are one wake-up.
type Wake struct{ c chan struct{} }

// NewWake returns a Wake without a pending notification.
func NewWake() Wake { return Wake{c: make(chan struct{}, 1)} }

// Notify leaves one wake-up for the receiver, unless one is waiting already.
func (w Wake) Notify() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// C is where the wake-ups arrive.
func (w Wake) C() <-chan struct{} { return w.c }
