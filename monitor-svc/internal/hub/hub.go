// Package hub runs the merge machine for the goroutines of a service: it feeds it one input at a time and does what it
// says. It waits for nothing but its own mutex; what takes time (fetching, looking up notices, keeping evidence) it hands
// to the functions it was given, which must not block.
package hub

import (
	"sync"

	"blindseq/monitor-svc/internal/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Actions is what the hub has others do. Each is called with the hub's mutex held: none may block or call the hub.
type Actions struct {
	Fetch         func(number uint64)
	LookUp        func(requestID string) // whether there is a notice for it
	Alarm         func(merge.Halted)
	Dropped       func(merge.Dropped)
	Contradiction func(merge.Contradiction)
}

// Hub is the one merge of a replica. It is safe for concurrent use.
type Hub struct {
	do Actions

	mu      sync.Mutex
	machine *merge.Machine
	lastID  uint64
	waiters map[uint64]chan merge.Outcome
	moved   chan struct{} // closed when a preblock took effect, or nothing will any more
}

// New returns a hub that has seen nothing.
func New(l merge.Limits, do Actions) *Hub {
	return &Hub{do: do, machine: merge.New(l), waiters: map[uint64]chan merge.Outcome{}, moved: make(chan struct{})}
}

// Waiter is one caller that waits.
type Waiter struct {
	id      uint64
	outcome chan merge.Outcome
}

// Outcome delivers the one outcome.
func (w *Waiter) Outcome() <-chan merge.Outcome { return w.outcome }

// Wait registers a caller; Leave must follow. The notice of its request is looked up after it was registered: one that
// arrives in between is not missed.
func (h *Hub) Wait(requestID string, number uint64) *Waiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastID++
	w := &Waiter{id: h.lastID, outcome: make(chan merge.Outcome, 1)}
	h.waiters[w.id] = w.outcome
	h.step(merge.Wait{Waiter: w.id, RequestID: requestID, Number: number})
	if _, waits := h.waiters[w.id]; waits {
		h.do.LookUp(requestID)
	}
	return w
}

// Leave ends a registration.
func (h *Hub) Leave(w *Waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, w.id)
	h.step(merge.Gone{Waiter: w.id})
}

// Do feeds an input.
func (h *Hub) Do(in merge.Input) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step(in)
}

func (h *Hub) step(in merge.Input) {
	for _, e := range h.machine.Step(in) {
		switch e := e.(type) {
		case merge.Answer:
			h.waiters[e.Waiter] <- e.Outcome // has room: it is the only one
			delete(h.waiters, e.Waiter)
		case merge.Fetch:
			h.do.Fetch(e.Number)
		case merge.Advanced:
			h.wakeStreams()
		case merge.Dropped:
			h.do.Dropped(e)
		case merge.Contradiction:
			h.do.Contradiction(e)
		case merge.Halted:
			h.do.Alarm(e)
			h.wakeStreams()
		}
	}
}

func (h *Hub) wakeStreams() {
	close(h.moved)
	h.moved = make(chan struct{})
}

// Start says which number the DSN fixed last and returns the next number needed.
func (h *Hub) Start(last uint64) (next uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step(merge.Started{Last: last})
	h.wakeStreams()
	return h.machine.Next()
}

// At is what a stream that needs a number finds: the preblock, if it is kept; else the next number needed, 0 before the
// DSN was reached, and a channel that is closed when it is worth asking again. err is why there is nothing any more.
func (h *Hub) At(number uint64) (p *preblockv1.Preblock, next uint64, moved <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine.Cached(number), h.machine.Next(), h.moved, h.machine.Halt()
}

// Needs says whether a preblock that was to be fetched still is needed.
func (h *Hub) Needs(number uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine.Needs(number)
}

// Waited says whether anyone waits for a request.
func (h *Hub) Waited(requestID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine.Waited(requestID)
}

// Requests are the requests waited for.
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine.Requests()
}

// EndOf says how a request ended, if that is remembered.
func (h *Hub) EndOf(requestID string) (merge.Ended, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machine.EndOf(requestID)
}

// Status is the last number seen, how many wait, and why everything is halted.
func (h *Hub) Status() (last uint64, waiters int, halted error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.machine.Next(), 1) - 1, h.machine.Waiters(), h.machine.Halt()
}
