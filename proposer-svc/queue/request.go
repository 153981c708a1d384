package queue

import "fmt"

// Phase is the progress of a request.
type Phase uint8

// The phases of a request. Callers see what is Ending as what it was before: in flight, with its number, when its proposal was refused, and
// else queued.
const (
	Unknown Phase = iota
	Queued
	Ending
	InFlight
	Processed
)

func (p Phase) String() string {
	switch p {
	case Unknown:
		return "unknown"
	case Queued:
		return "queued"
	case Ending:
		return "ending"
	case InFlight:
		return "in flight"
	case Processed:
		return "processed"
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// Reason says why a request ended without a preblock: a number of preblock.v1.NoPreblockReason, 0 for none.
type Reason int32

// Request is one proposal request. The JSON form is how Redis holds it.
type Request struct {
	ID          string `json:"id"`
	Timestamp   int64  `json:"timestamp"` // seconds since 1970
	Force       bool   `json:"force,omitempty"`
	WithDelayed bool   `json:"with_delayed,omitempty"`
	Token       uint64 `json:"token,omitempty"` // of the consumption lock the request was made under
	Trace       string `json:"trace,omitempty"` // W3C traceparent of the block's trace
	Phase       Phase  `json:"state"`
	Number      uint64 `json:"number,omitempty"`
	Attempt     uint32 `json:"attempt,omitempty"`
	ContentHash []byte `json:"content_hash,omitempty"`
	Displaced   bool   `json:"displaced,omitempty"` // the DSN fixed another request's content for Number
	Reason      Reason `json:"reason,omitempty"`
}

// State is what a transition has to see of all that is stored, and what it leaves behind.
type State struct {
	Limits  Limits
	Known   *Request // the request the event names; nil when its id is unknown or it names none
	Current *Request // in flight or ending; nil when there is none
	Head    *Request // first of the FIFO; nil when it is empty, or after its first was removed: the store reads the next one
	Queued  int      // length of the FIFO, without Current
}

// Limits bounds what is stored.
type Limits struct {
	Queued int // requests in the FIFO
}

// Result is the request that the last event was about; empty when it was about none.
func (s State) Result() Request {
	if s.Known == nil {
		return Request{}
	}
	return *s.Known
}
