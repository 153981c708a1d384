package term

import (
	"time"

	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Effect is a step that the driver performs. Each yields exactly one Event, which may be Failed.
type Effect interface{ effect() }

// The effects.
type (
	// Look at the FIFO → Seen.
	Look struct{}
	// Sleep until the FIFO may have changed, or until a time unless it is zero → Woken.
	Sleep struct{ Until time.Time }
	// Ask the leading producer what a proposal for the request would hold, or which block it gave already if that is to be
	// known too → Content.
	Ask struct {
		Request queue.Request
		Served  bool
	}
	// Probe whether the DSN has accepted a proposal for a number, fixed or not → Probed.
	Probe struct{ Number uint64 }
	// Find the preblock of a number at the DSN → Found.
	Find struct{ Number uint64 }
	// Record an event in the FIFO → Recorded.
	Record struct{ Event queue.Event }
	// Submit the recorded attempt to the DSN → Submitted or Refused. After an error it is not known whether the DSN has it: the next
	// step checks an attempt that is not watched.
	Submit struct {
		Request queue.Request
		Content *preblockv1.Content
	}
	// Tell the monitor why the request ends without a preblock → Told, also when it had ended otherwise before.
	Tell struct{ Request queue.Request }
)

// Event is the result of an effect.
type Event interface{ event() }

// The events.
type (
	Seen struct {
		View queue.State
		Now  time.Time
	}
	Woken   struct{}
	Content struct {
		Answer *blueprintv1.GetProposalContentResponse
		Now    time.Time
	}
	Probed struct{ Accepted bool }
	// Found has no preblock when the DSN has fixed none for the number.
	Found     struct{ Preblock *preblockv1.Preblock }
	Recorded  struct{ Request queue.Request }
	Submitted struct {
		Answer *dsnv1.SubmitProposalResponse
		Now    time.Time
	}
	// Refused says that the DSN has accepted nothing for the number and refuses this content.
	Refused struct{ Reason preblockv1.NoPreblockReason }
	Told    struct{}
	Failed  struct{}
)

func (Look) effect()   {}
func (Sleep) effect()  {}
func (Ask) effect()    {}
func (Probe) effect()  {}
func (Find) effect()   {}
func (Record) effect() {}
func (Submit) effect() {}
func (Tell) effect()   {}

func (Seen) event()      {}
func (Woken) event()     {}
func (Content) event()   {}
func (Probed) event()    {}
func (Found) event()     {}
func (Recorded) event()  {}
func (Submitted) event() {}
func (Refused) event()   {}
func (Told) event()      {}
func (Failed) event()    {}
