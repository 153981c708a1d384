package machine

import (
	"time"

	"blindseq/producer-svc/internal/section"
)

// The critical section; see package section.
type (
	Section    = section.State
	Request    = section.Request
	Head       = section.Head
	Block      = section.Block
	Result     = section.Outcome
	ResultKind = section.OutcomeKind
	Effect     = section.Effect
	Acquire    = section.Acquire
	Submit     = section.Submit
	Await      = section.Await
	Fetch      = section.Fetch
	Append     = section.Append
	Apply      = section.Apply
	Publish    = section.Publish
	Notify     = section.Notify
	Pause      = section.Pause
	Release    = section.Release
	Event      = section.Event
	Locked     = section.Locked
	Requested  = section.Requested
	Delivered  = section.Delivered
	Denied     = section.Denied
	UpToDate   = section.UpToDate
	TimedOut   = section.TimedOut
	Appended   = section.Appended
	Applied    = section.Applied
	Published  = section.Published
	Notified   = section.Notified
	Resumed    = section.Resumed
	Released   = section.Released
	Failure    = section.Failure
	Refusal    = section.Refusal
	Missing    = section.Missing
	Alarm      = section.Alarm
	Interrupt  = section.Interrupt
)

// How a section ends.
const (
	Produced    = section.Produced
	Empty       = section.Empty
	Synced      = section.Synced
	Refused     = section.Refused
	Interrupted = section.Interrupted
	Stalled     = section.Stalled
	Halted      = section.Halted
	Ended       = section.Ended
)

// Begin is the state of a section not begun.
func Begin(r Request, maxDrift time.Duration) Section { return section.Begin(r, maxDrift) }
