package section

import (
	"errors"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Head is the last applied block.
type Head struct {
	Number uint64
	Hash   content.Hash
	Time   int64 // seconds since 1970
}

// Block is an applied blueprint.
type Block struct {
	Head
	Transactions int // delayed, plain and opened, the skipped ones and unopenable sealed ones included
}

// Request is what one critical section is for.
type Request struct {
	ID          string
	Timestamp   time.Time // of the block; the zero time means now, or the head's timestamp when that is later
	Force       bool      // make a block even when there is nothing to include
	WithDelayed bool
	Priority    bool // go before those without it when several wait for the lock
	Sync        bool // make no request: apply every preblock the DSN has fixed already
}

// ResultKind says how a section ended.
type ResultKind uint8

const (
	// Produced: the request gave Result.Block, which is applied.
	Produced ResultKind = iota + 1
	// Empty: the request ended without a preblock, for Result.Reason.
	Empty
	// Synced: a Sync section has applied all there was.
	Synced
	// Refused: the request cannot be served as it is; repeating it does not help.
	Refused
	// Interrupted: the lock or the context was lost before the request's event; repeat with the same id.
	Interrupted
	// Stalled: the next preblock cannot be applied until a person supplies what is missing. Repeat later.
	Stalled
	// Halted: something that must never happen has; production stops until a person has looked.
	Halted
)

// Result is what a section ended in. Err is set for the last four kinds.
type Result struct {
	Kind   ResultKind
	Block  Block
	Reason preblockv1.NoPreblockReason
	Err    error
}

var (
	// ErrTimestampDecreased refuses a timestamp before the head's. Equal is allowed: blocks may share a second.
	ErrTimestampDecreased = errors.New("timestamp is before the head's")
	// ErrTimestampAhead refuses a timestamp too far from this machine's clock.
	ErrTimestampAhead = errors.New("timestamp is too far in the future")
	// ErrForgotten is for a request that was served so long ago that its outcome is not known any more.
	ErrForgotten = errors.New("request was served long ago; its outcome is no longer known")
	// ErrBadPreblock is for a preblock that cannot follow the head. Nothing was stored.
	ErrBadPreblock = errors.New("preblock cannot follow the head")
)

// Effect is something the machine wants done. Each yields exactly one Event.
type Effect interface{ Name() string }

// The effects.
type (
	// Acquire the lock → Locked or Interrupt.
	Acquire struct{ Request Request }
	// Submit the request to the proposer → Requested, Refusal, Failure or Interrupt.
	Submit struct {
		Request   Request
		Timestamp int64
		Token     uint64
	}
	// Await the event of a request → Delivered, Denied, TimedOut, Alarm, Failure or Interrupt.
	Await struct {
		RequestID string
		Number    uint64
	}
	// Fetch a preblock the DSN may have fixed → Delivered, UpToDate, Alarm, Failure or Interrupt.
	Fetch struct{ Number uint64 }
	// Append a preblock to the blueprint log → Appended, Missing, Alarm or Interrupt. This decides.
	Append struct {
		Preblock *preblockv1.Preblock
		Head     Head
		Token    uint64
		Holder   string
	}
	// Apply a record to the chain → Applied or Alarm. Never interrupted: the block is decided.
	Apply struct{ Record *blueprintv1.LogRecord }
	// Publish an applied block on the feed → Published.
	Publish struct{ Number uint64 }
	// Notify the proposer that blocks up to Number are applied → Notified, Failure or Interrupt.
	Notify struct {
		RequestID string
		Number    uint64
	}
	// Pause before trying again what has failed so many times in a row → Resumed or Interrupt.
	Pause struct{ Failures int }
	// Release the lock → Released.
	Release struct{}
)

// Event is what an effect came to.
type Event interface{ event() }

// The events.
type (
	// Locked: the lock is held. Known is the block this request gave earlier; nil when it gave none.
	Locked struct {
		Token    uint64
		Holder   string
		Head     Head
		Now      time.Time
		Known    *Block
		Notified bool // the proposer knows that Head is applied
	}
	// Requested: the proposer has the request; Processed when it had ended before.
	Requested struct{ Processed bool }
	// Delivered: the DSN has fixed this.
	Delivered struct{ Preblock *preblockv1.Preblock }
	// Denied: the request ended without a preblock.
	Denied struct {
		RequestID string
		Reason    preblockv1.NoPreblockReason
	}
	// UpToDate: the DSN has fixed nothing for the number yet.
	UpToDate struct{}
	// TimedOut: no event came in time.
	TimedOut struct{}
	// Appended: the block is decided; Record is what the log holds.
	Appended struct{ Record *blueprintv1.LogRecord }
	// Applied: the block is the chain's head.
	Applied struct{ Block Block }
	// Published: subscribers can have the block.
	Published struct{}
	// Notified: the proposer knows.
	Notified struct{}
	// Resumed: the pause is over.
	Resumed struct{}
	// Released: the lock is free, or will be when its lease ends.
	Released struct{}
	// Failure: it may work another time.
	Failure struct{ Err error }
	// Refusal: it will not work with this request.
	Refusal struct{ Err error }
	// Missing: a person has to supply something.
	Missing struct{ Err error }
	// Alarm: what must never happen has.
	Alarm struct{ Err error }
	// Interrupt: the lock or the context was lost before the effect took place.
	Interrupt struct{ Err error }
)

func (Acquire) Name() string { return "acquire" }
func (Submit) Name() string  { return "request" }
func (Await) Name() string   { return "await" }
func (Fetch) Name() string   { return "fetch" }
func (Append) Name() string  { return "append" }
func (Apply) Name() string   { return "apply" }
func (Publish) Name() string { return "publish" }
func (Notify) Name() string  { return "notify" }
func (Pause) Name() string   { return "pause" }
func (Release) Name() string { return "release" }

func (Locked) event()    {}
func (Requested) event() {}
func (Delivered) event() {}
func (Denied) event()    {}
func (UpToDate) event()  {}
func (TimedOut) event()  {}
func (Appended) event()  {}
func (Applied) event()   {}
func (Published) event() {}
func (Notified) event()  {}
func (Resumed) event()   {}
func (Released) event()  {}
func (Failure) event()   {}
func (Refusal) event()   {}
func (Missing) event()   {}
func (Alarm) event()     {}
func (Interrupt) event() {}

// String names a kind in metrics and traces.
func (k ResultKind) String() string {
	names := [...]string{"unknown", "produced", "empty", "synced", "refused", "interrupted", "stalled", "halted"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}
