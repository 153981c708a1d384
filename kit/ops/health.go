// Package ops is what an operator sees of a process: whether it lives and is ready, with the reasons, and its metrics.
package ops

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Health collects what keeps a process from being ready (a dependency away, a start not finished), what only a restart can
// repair, and notes: what a person should know about a process that is ready nevertheless. The zero value is not usable; see NewHealth.
type Health struct {
	mu       sync.Mutex
	unready  map[string]string
	failed   map[string]string
	notes    map[string]string
	since    map[string]time.Time // since when a part is unready or failed, whatever the reasons were
	watchers []func(ready bool)
}

// NewHealth returns the health of a process that is live and ready.
func NewHealth() *Health {
	return &Health{unready: map[string]string{}, failed: map[string]string{}, notes: map[string]string{}, since: map[string]time.Time{}}
}

// Set says why a part is not ready; the empty reason says that it is.
func (h *Health) Set(part, reason string) {
	h.change(func() {
		if reason == "" {
			delete(h.unready, part)
		} else {
			h.unready[part] = reason
		}
		h.dated(part)
	})
}

// Reporter returns a function that says why a part is not ready, as Set does, and counts every reason given.
func (h *Health) Reporter(part string, count prometheus.Counter) func(reason string) {
	return func(reason string) {
		if reason != "" {
			count.Inc()
		}
		h.Set(part, reason)
	}
}

// Note says what a person should know of a part; the empty text takes it back. Readiness does not change.
func (h *Health) Note(part, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if text == "" {
		delete(h.notes, part)
	} else {
		h.notes[part] = text
	}
}

// Notes returns the notes, by part.
func (h *Health) Notes() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.notes)
}

// Fail says that a part will not work again in this process: it is neither live nor ready from now on.
func (h *Health) Fail(part, reason string) {
	h.change(func() {
		h.failed[part] = reason
		h.dated(part)
	})
}

// dated keeps since when a part has a reason. The caller holds mu.
func (h *Health) dated(part string) {
	switch since := h.since[part]; {
	case h.unready[part] == "" && h.failed[part] == "":
		delete(h.since, part)
	case since.IsZero():
		h.since[part] = time.Now()
	}
}

// Since returns since when each part in Ready has had a reason without a break.
func (h *Health) Since() map[string]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.since)
}

// Ready returns what keeps the process from being ready, by part; it is ready when there is nothing.
func (h *Health) Ready() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	reasons := maps.Clone(h.unready)
	maps.Copy(reasons, h.failed)
	return reasons
}

// Live returns what only a restart can repair, by part.
func (h *Health) Live() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.failed)
}

// Watch calls f with the present readiness and then at each change of it. Calls do not overlap.
func (h *Health) Watch(f func(ready bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers = append(h.watchers, f)
	f(h.isReady())
}

func (h *Health) isReady() bool { return len(h.unready)+len(h.failed) == 0 }

func (h *Health) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.isReady()
	f()
	if after := h.isReady(); after != before {
		for _, w := range h.watchers {
			w(after)
		}
	}
}
