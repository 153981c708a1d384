// Package waiters runs the merge of a replica for the goroutines of the service: it feeds it one event at a time, performs
// its effects, and delivers each waiter's reply.
//
// Guarantees: a method waits for nothing but the mutex of the registry. It asks of callers: the functions of Actions must
// not block, as what takes time (fetching, looking up notices, storing a conflict) is done elsewhere.
package waiters

import (
	"sync"

	"blindseq/kit/notify"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Actions is what the registry has others do. Each is called with the registry's mutex held: none may block or call it.
type Actions struct {
	Fetch         func(number uint64)
	LookUp        func(requestID string) // whether there is a notice for it
	Alarm         func(merge.Halted)
	Dropped       func(merge.Dropped)
	Contradiction func(merge.Contradiction)
	Refused       func(error) // the merge refused an event: a defect of this program
}

// Registry holds the merge of a replica and its waiters. It is safe for concurrent use.
type Registry struct {
	do Actions

	mu      sync.Mutex
	state   merge.State
	lastID  uint64
	waiters map[uint64]chan merge.Reply
	moved   notify.Broadcast // a preblock took effect, or nothing will any more
}

// New returns a registry whose merge has seen nothing.
func New(l merge.Limits, do Actions) *Registry {
	return &Registry{do: do, state: merge.New(l), waiters: map[uint64]chan merge.Reply{}}
}

// Waiter is one caller that waits.
type Waiter struct {
	id    uint64
	reply chan merge.Reply
}

// Reply delivers the one reply.
func (w *Waiter) Reply() <-chan merge.Reply { return w.reply }

// Wait registers a caller; Leave must follow. The notice of its request is looked up after it was registered, so that a
// notice that arrives in between is not missed.
func (r *Registry) Wait(requestID string, number uint64) *Waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	w := &Waiter{id: r.lastID, reply: make(chan merge.Reply, 1)}
	r.waiters[w.id] = w.reply
	r.step(merge.Wait{Waiter: w.id, RequestID: requestID, Number: number})
	if _, waits := r.waiters[w.id]; waits {
		r.do.LookUp(requestID)
	}
	return w
}

// Leave ends a registration.
func (r *Registry) Leave(w *Waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiters, w.id)
	r.step(merge.Gone{Waiter: w.id})
}

// Do feeds an event.
func (r *Registry) Do(in merge.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(in)
}

func (r *Registry) step(in merge.Event) {
	next, effects, err := merge.Next(r.state, in)
	if err != nil {
		r.do.Refused(err)
		return
	}
	r.state = next
	for _, e := range effects {
		switch e := e.(type) {
		case merge.Answer:
			r.waiters[e.Waiter] <- e.Reply // has room: it is the only one
			delete(r.waiters, e.Waiter)
		case merge.Fetch:
			r.do.Fetch(e.Number)
		case merge.Advanced:
			r.moved.Notify()
		case merge.Dropped:
			r.do.Dropped(e)
		case merge.Contradiction:
			r.do.Contradiction(e)
		case merge.Halted:
			r.do.Alarm(e)
			r.moved.Notify()
		}
	}
}

// Start says which number the DSN fixed last and returns the next number needed.
func (r *Registry) Start(last uint64) (next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(merge.Started{Last: last})
	r.moved.Notify()
	return r.state.NextNumber()
}

// At is what a stream that needs a number finds: the preblock, if it is kept; else the next number needed, 0 before the
// DSN was reached, and a channel that is closed when it is worth asking again. err is why there is nothing any more.
func (r *Registry) At(number uint64) (p *preblockv1.Preblock, next uint64, moved <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Cached(number), r.state.NextNumber(), r.moved.Changed(), r.state.Halt()
}

// Needs says whether a preblock that was to be fetched still is needed.
func (r *Registry) Needs(number uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Needs(number)
}

// Waited says whether a request has a waiter.
func (r *Registry) Waited(requestID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Waited(requestID)
}

// Requests are the requests that have a waiter.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Requests()
}

// EndOf says how a request ended, if that is remembered.
func (r *Registry) EndOf(requestID string) (merge.Ended, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.EndOf(requestID)
}

// Status is the last number seen, the number of waiters, and why everything is halted.
func (r *Registry) Status() (last uint64, waiters int, halted error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.state.NextNumber(), 1) - 1, r.state.Waiters(), r.state.Halt()
}
