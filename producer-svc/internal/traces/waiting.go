// Package traces joins sections with the transactions that they are for: a section continues the trace of the transaction that waits
// longest of those whose senders named a trace, so that one trace shows its whole way, and links to the others.
package traces

import (
	"slices"
	"sync"

	"blindseq/kit/telemetry"
)

// kept is how many traces wait at most; those of further transactions are not shown beyond their acceptance.
const kept = 64

// Waiting are the traces of transactions that wait for a section. The zero value has none.
type Waiting struct {
	mu   sync.Mutex
	list []telemetry.Trace
}

// Add notes the trace of a transaction, before it is accepted: the section may begin at once.
func (w *Waiting) Add(t telemetry.Trace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.Known() && len(w.list) < kept {
		w.list = append(w.list, t)
	}
}

// Remove forgets the trace of a transaction that was refused.
func (w *Waiting) Remove(t telemetry.Trace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = slices.DeleteFunc(w.list, func(one telemetry.Trace) bool { return one.Is(t) })
}

// Take returns those that wait, the oldest first, and forgets them.
func (w *Waiting) Take() []telemetry.Trace {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}
