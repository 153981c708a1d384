package merge

import (
	"maps"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Next is the next number needed from the stream; 0 before the DSN was reached.
func (m *Machine) Next() uint64 { return m.next }

// Cached is a preblock that is kept; nil when it is not.
func (m *Machine) Cached(number uint64) *preblockv1.Preblock { return m.cache.get(number) }

// Halt says why everything is halted; nil when it is not.
func (m *Machine) Halt() error {
	if m.halted == nil {
		return nil
	}
	return m.haltErr()
}

// Waiters is how many wait.
func (m *Machine) Waiters() int { return len(m.waiters) }

// Requests are the requests waited for.
func (m *Machine) Requests() []string {
	ids := map[string]bool{}
	for _, w := range m.waiters {
		ids[w.RequestID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// Waited says whether anyone waits for a request.
func (m *Machine) Waited(requestID string) bool {
	for _, w := range m.waiters {
		if w.RequestID == requestID {
			return true
		}
	}
	return false
}

// Needs says whether a preblock that was to be fetched still is.
func (m *Machine) Needs(number uint64) bool {
	if m.halted != nil {
		return false
	}
	if number >= m.next && len(m.held) > 0 {
		_, here := m.held[number]
		return !here
	}
	for _, w := range m.waiters {
		if w.Number == number {
			return true
		}
	}
	return false
}

// EndOf says how a request ended, if that is remembered.
func (m *Machine) EndOf(requestID string) (Ended, bool) { return m.ended.get(requestID) }
