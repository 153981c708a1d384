// Package merge joins two sources, the DSN's preblocks and the notices that a request ends without one, into one event
// for each waiting caller. It is a state machine: Next takes an event and returns what to do. It does no I/O, reads
// no clock and starts nothing, so a simulator drives the same code as the service (package waiters).
//
// Guarantees: preblocks take effect in the order of their numbers and without a gap, each once. A waiter gets exactly one
// reply. After two preblocks of one number that are not the same, that is the only reply any more. No NoPreblock is replied for a request whose
// preblock was seen. What is kept is bounded by Limits.
//
//	phase        from                          what is replied to a new waiter
//	-----------  ----------------------------  ------------------------------------------------------------------
//	unconnected  New                           nothing yet
//	following    the first Started             what is kept, or nothing yet and a Fetch for an older number
//	halted       another preblock of a number  ErrHalted
//	stopped      Stopped                       ErrStopping
//
//	number of a preblock             what happens while following
//	-------------------------------  -------------------------------------------------------------------------
//	known, the same Identity         Dropped (a waiter that asked for an old number gets its reply)
//	known, another Identity          Halted, and an error for every waiter, now and later
//	below the next needed            replied to the waiters for that number; it was fetched for them
//	the next needed                  Advanced; also those held back that now follow
//	above it                         held back, and what is missing in between is fetched; Dropped when too many are
//
// A machine for each request would be simpler to read, but the events of two requests are ordered by one thing, the
// number, and a preblock is the reply to every waiter for its number, whichever request made it.
package merge

import (
	"errors"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Replies that are errors.
var (
	ErrHalted   = errors.New("production is halted: the DSN showed two preblocks for one number")
	ErrStopping = errors.New("the service is stopping")
)

// Limits bounds what a state keeps.
type Limits struct {
	CacheBlocks int // preblocks kept for callers that are a little behind
	CacheBytes  int // of these preblocks
	Held        int // preblocks held back until those before them are here
	Hashes      int // numbers below the next for which another preblock is noticed
	Ended       int // requests whose end is remembered
}

// DefaultLimits keep a state below about 40 MiB.
func DefaultLimits() Limits {
	return Limits{CacheBlocks: 1024, CacheBytes: 16 << 20, Held: 32, Hashes: 8192, Ended: 8192}
}

// Reply is what a waiter gets: a preblock, or the reason why there is none, or an error.
type Reply struct {
	Preblock   *preblockv1.Preblock
	NoPreblock *preblockv1.NoPreblock
	Err        error
}

// Event is something that happens.
type Event interface{ event() }

// Started says which number the DSN fixed last, when a connection to it was made. The first one decides which numbers
// come by the stream, and which are fetched.
type Started struct{ Last uint64 }

// Identity is what all preblocks of one number must share.
type Identity struct {
	Hash     [32]byte // of the content
	Outcomes [32]byte // of what its sealed transactions were opened to
}

// Arrived is a verified preblock (see Verify).
type Arrived struct {
	Preblock *preblockv1.Preblock
	Identity
	Asked bool // it was fetched by its number, so a repeat is no duplicate
}

// NoPreblock is a notice that a request ends without a preblock.
type NoPreblock struct {
	RequestID string
	Reason    preblockv1.NoPreblockReason
}

// Wait registers a caller for preblock Number, or the NoPreblock of its request.
type Wait struct {
	Waiter    uint64 // chosen by the caller, unique
	RequestID string
	Number    uint64
}

// Gone says that a waiter has left.
type Gone struct{ Waiter uint64 }

// Broken says that the stream of preblocks broke; it will be resumed from Next.
type Broken struct{}

// Stopped says that the service stops.
type Stopped struct{}

func (Started) event()    {}
func (Arrived) event()    {}
func (NoPreblock) event() {}
func (Wait) event()       {}
func (Gone) event()       {}
func (Broken) event()     {}
func (Stopped) event()    {}

// Effect is something to be done.
type Effect interface{ effect() }

// Answer gives a waiter its reply and ends its registration.
type Answer struct {
	Waiter uint64
	Reply  Reply
}

// Fetch asks the DSN for a preblock that does not come by the stream.
type Fetch struct{ Number uint64 }

// Advanced says that a preblock took effect in order.
type Advanced struct{ Preblock *preblockv1.Preblock }

// Why an event was dropped.
const (
	Duplicate  = "duplicate"   // the preblock was here before
	TooEarly   = "too_early"   // more preblocks out of order than are held back
	LateNotice = "late_notice" // the request had already ended another way
)

// Dropped says that an event was dropped.
type Dropped struct {
	Number    uint64
	RequestID string
	Why       string
}

// Contradiction says that a preblock arrived for a request that had ended without one.
type Contradiction struct {
	Number    uint64
	RequestID string
}

// Halted is the alarm: two preblocks of one number that are not the same. First is nil when only its identity is remembered.
type Halted struct {
	Number        uint64
	Was, Is       Identity
	First, Second *preblockv1.Preblock
}

func (Answer) effect()        {}
func (Fetch) effect()         {}
func (Advanced) effect()      {}
func (Dropped) effect()       {}
func (Contradiction) effect() {}
func (Halted) effect()        {}
