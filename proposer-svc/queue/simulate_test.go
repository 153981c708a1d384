package queue_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"
)

// TestWhateverTheOrderOfEvents drives the machine with random events from seeds and checks what must always hold:
// one request current, first in first out, each served once, one content for an attempt.
func TestWhateverTheOrderOfEvents(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := queuetest.NewMemory(queue.Limits{Queued: 6})
		m.SetLease(5)
		h := history{contents: map[string]byte{}, ended: map[string]bool{}}
		for step := range 120 {
			e := h.random(rng, m, byte(step))
			before := m.View(e.Subject())
			next, _, _ := queue.Next(before, e)
			_, err := m.Apply(e)
			if after := m.View(e.Subject()); err == nil && !sameState(next, after) {
				t.Fatalf("seed %d, step %d, %T %+v: Next returned %+v, the store holds %+v", seed, step, e, e, next, after)
			}
			if msg := h.check(before, e, err, m); msg != "" {
				t.Fatalf("seed %d, step %d, %T %+v: %s", seed, step, e, e, msg)
			}
		}
	}
}

// sameState compares what Next returned with what the store holds after the effects. Next does not know who follows the
// head it removed, and forgets the request of an event that names none.
func sameState(next, stored queue.State) bool {
	if next.Head == nil {
		stored.Head = nil
	}
	return reflect.DeepEqual(next, stored)
}

type history struct {
	asked    int
	order    []string // of the FIFO as callers saw it
	number   uint64   // last applied
	contents map[string]byte
	ended    map[string]bool
}

func (h *history) random(rng *rand.Rand, m *queuetest.Memory, step byte) queue.Event {
	v := m.View("")
	id := fmt.Sprintf("r%d", rng.IntN(h.asked+1))
	if v.Head != nil && rng.IntN(2) == 0 {
		id = v.Head.ID
	}
	if v.Current != nil && rng.IntN(2) == 0 {
		id = v.Current.ID
	}
	switch rng.IntN(9) {
	case 0:
		return queue.Start{By: by, ID: id, Number: h.number + 1, Hash: []byte{step}}
	case 1:
		return queue.Retry{By: by, ID: id, Hash: []byte{step}}
	case 2:
		return queue.Decline{By: by, ID: id, Reason: 1}
	case 3:
		return queue.Announced{By: by, ID: id}
	case 4:
		return queue.Displace{By: by, ID: id}
	case 5:
		return queue.Refuse{By: by, ID: id, Reason: 1}
	case 6:
		if v.Current != nil && v.Current.Phase == queue.InFlight {
			h.number = v.Current.Number
			return queue.Applied{ID: id, Number: h.number}
		}
	}
	return queue.Enqueue{Request: queue.Request{ID: fmt.Sprintf("r%d", h.asked), Timestamp: int64(step)}}
}

func (h *history) check(before queue.State, e queue.Event, err error, m *queuetest.Memory) string {
	after := m.View(e.Subject())
	if en, ok := e.(queue.Enqueue); ok && err == nil && before.Known == nil {
		h.asked++
		h.order = append(h.order, en.Request.ID)
	}
	if err == nil {
		switch e.(type) {
		case queue.Start, queue.Decline:
			if before.Current != nil {
				return "two requests current"
			}
			if first := h.first(); first != e.Subject() {
				return "served " + e.Subject() + " before " + first
			}
		}
	}
	if c := after.Current; c != nil && c.Phase == queue.InFlight {
		key := fmt.Sprint(c.ID, c.Number, c.Attempt)
		if old, ok := h.contents[key]; ok && old != c.ContentHash[0] {
			return "two contents for " + key
		}
		h.contents[key] = c.ContentHash[0]
	}
	for _, r := range m.Recent()[len(h.ended):] {
		if h.ended[r.ID] {
			return r.ID + " ended twice"
		}
		h.ended[r.ID] = true
	}
	return ""
}

// first is the oldest request that has not ended.
func (h *history) first() string {
	for len(h.order) > 0 && h.ended[h.order[0]] {
		h.order = h.order[1:]
	}
	return h.order[0]
}
