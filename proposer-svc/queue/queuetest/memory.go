// Package queuetest keeps the FIFO of package queue in memory, for simulators and as the model of the store in Redis.
package queuetest

import (
	"maps"
	"slices"

	"blindseq/proposer-svc/queue"
)

// Memory holds the FIFO in maps: the store of a simulator, and the model the Redis store is tested against.
// It is not safe for concurrent use.
type Memory struct {
	limits   queue.Limits
	lease    uint64
	current  string
	fifo     []string
	requests map[string]queue.Request
	recent   []queue.Request
}

// NewMemory returns an empty FIFO.
func NewMemory(l queue.Limits) *Memory {
	return &Memory{limits: l, requests: map[string]queue.Request{}}
}

// SetLease says which token the active proposer has; 0 when there is none.
func (m *Memory) SetLease(token uint64) { m.lease = token }

// Wipe forgets everything, as Redis may at any time.
func (m *Memory) Wipe() { *m = *NewMemory(m.limits) }

// Clone returns an independent copy, as a replica of Redis has.
func (m *Memory) Clone() *Memory {
	c := *m
	c.fifo, c.requests, c.recent = slices.Clone(m.fifo), maps.Clone(m.requests), slices.Clone(m.recent)
	return &c
}

// View returns what a transition about a request sees.
func (m *Memory) View(id string) queue.State {
	v := queue.State{Limits: m.limits, Known: m.get(id), Current: m.get(m.current), Queued: len(m.fifo)}
	if len(m.fifo) > 0 {
		v.Head = m.get(m.fifo[0])
	}
	return v
}

func (m *Memory) get(id string) *queue.Request {
	if r, ok := m.requests[id]; ok {
		return &r
	}
	return nil
}

// Apply makes an event happen and returns the request it is about.
func (m *Memory) Apply(e queue.Event) (queue.Request, error) {
	if token, needed := e.Lease(); needed && token != m.lease {
		return queue.Request{}, queue.ErrNotActive
	}
	next, effects, err := queue.Next(m.View(e.Subject()), e)
	if err != nil {
		return queue.Request{}, err
	}
	for _, f := range effects {
		m.do(f)
	}
	return next.Result(), nil
}

func (m *Memory) do(f queue.Effect) {
	id := f.Request.ID
	switch f.Op {
	case queue.Append:
		m.fifo = append(m.fifo, id)
	case queue.Prepend:
		m.fifo = slices.Insert(m.fifo, 0, id)
	case queue.Remove:
		m.fifo = slices.DeleteFunc(m.fifo, func(other string) bool { return other == id })
	case queue.Hold:
		m.current = id
	case queue.Release:
		m.current = ""
	case queue.Remember:
		m.recent = append(m.recent, f.Request)
	}
	m.requests[id] = f.Request
}

// Waiting returns the current request and the queued ones, in the order they will be served.
func (m *Memory) Waiting() (all []queue.Request) {
	for _, id := range append([]string{m.current}, m.fifo...) {
		if r := m.get(id); r != nil {
			all = append(all, *r)
		}
	}
	return all
}

// Recent returns the requests processed, in the order in which they were.
func (m *Memory) Recent() []queue.Request { return slices.Clone(m.recent) }
