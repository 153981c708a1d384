package merge

import (
	"maps"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// NextNumber is the next number needed from the stream; 0 before the DSN was reached.
func (s State) NextNumber() uint64 { return s.next }

// Cached is a preblock that is kept; nil when it is not.
func (s State) Cached(number uint64) *preblockv1.Preblock { return s.cache.get(number) }

// Halt says why everything is halted; nil when it is not.
func (s State) Halt() error {
	if s.halted == nil {
		return nil
	}
	return s.haltErr()
}

// Waiters is the number of waiters.
func (s State) Waiters() int { return len(s.waiters) }

// Requests are the requests that have a waiter.
func (s State) Requests() []string {
	ids := map[string]bool{}
	for _, w := range s.waiters {
		ids[w.RequestID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// Waited says whether a request has a waiter.
func (s State) Waited(requestID string) bool {
	for _, w := range s.waiters {
		if w.RequestID == requestID {
			return true
		}
	}
	return false
}

// Needs says whether a preblock that was to be fetched is still needed.
func (s State) Needs(number uint64) bool {
	if s.halted != nil {
		return false
	}
	if number >= s.next && len(s.held) > 0 {
		_, here := s.held[number]
		return !here
	}
	for _, w := range s.waiters {
		if w.Number == number {
			return true
		}
	}
	return false
}

// EndOf says how a request ended, if that is remembered.
func (s State) EndOf(requestID string) (Ended, bool) { return s.ended.get(requestID) }
