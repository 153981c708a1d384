// Package section is the critical section in which every block is made: under the consumption lock one request is
// submitted, its one event awaited, and what the DSN has fixed is appended to the blueprint log, applied, published
// and reported as processed.
//
// Next is the machine: pure, so that a simulator can drive it from a seed. Package sections does its effects.
//
//	phase       done by  event → next phase
//	Locking     Acquire  Locked → Healing when the proposer may not know the head is applied, else Requesting
//	                     (Fetching for a Sync); → Releasing when the request was served before or its timestamp is bad
//	Healing     Notify   Notified → Requesting or Fetching
//	Requesting  Submit   Requested → Awaiting
//	Awaiting    Await    Delivered → Appending; Denied → Releasing; TimedOut → Healing, then Requesting and Awaiting again:
//	                     both are repeats that change nothing, unless Redis has lost what it was sent
//	Fetching    Fetch    Delivered → Appending; UpToDate → Reporting
//	Appending   Append   Appended → Applying
//	Applying    Apply    Applied → Publishing
//	Publishing  Publish  Published → Notifying, or Fetching for a Sync
//	Notifying   Notify   Notified → Releasing when the block answers this request; else it was another's, → Awaiting
//	Reporting   Notify   Notified → Releasing
//	Releasing   Release  Released → Ended
//
// In every phase a Failure pauses and repeats the phase, an Interrupt before the append goes to Releasing, and an
// Alarm, Missing or Refusal to Releasing with that outcome. From Appended on nothing is given up: the block is
// decided, so it is applied even when the lock is lost meanwhile. Should the process end instead, the log has it.
package section

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Phase is where a section stands.
type Phase uint8

// The phases; see the package comment.
const (
	Locking Phase = iota
	Healing
	Requesting
	Awaiting
	Fetching
	Appending
	Applying
	Publishing
	Notifying
	Reporting
	Releasing
	Ended
)

// State of one section. Only Begin and Next make one.
type State struct {
	Phase  Phase
	Result Result // final when Phase is Ended

	request   Request
	maxDrift  time.Duration
	timestamp int64 // set once the head is known
	token     uint64
	holder    string
	head      Head
	processed bool // the proposer says that the request has ended
	preblock  *preblockv1.Preblock
	record    *blueprintv1.LogRecord
	block     Block
	failures  int // in a row
}

// Begin is the state of a section that begins, and its first effect. maxDrift bounds how far ahead of the clock a timestamp
// may be.
func Begin(r Request, maxDrift time.Duration) (State, []Effect) {
	s := State{request: r, maxDrift: maxDrift}
	return s, s.effects()
}

// ErrUnexpected is an event that has no meaning in the state: the caller answered another effect than the one asked for.
var ErrUnexpected = errors.New("event has no meaning in the state of the section")

// Next is the transition table: the state after what the last effect came to, and the next effect; none when the section has
// ended. On an error the state is the one before.
func Next(s State, e Event) (State, []Effect, error) {
	failures := s.failures
	next := s
	next.failures = 0
	switch e := e.(type) {
	case Failure:
		return next.retry(failures)
	case Resumed:
		next.failures = failures
	case Interrupt:
		next = next.interrupted(e.Err)
	case Refusal:
		next = next.end(Result{Kind: Refused, Err: e.Err})
	case Missing:
		next = next.end(Result{Kind: Stalled, Err: e.Err})
	case Alarm:
		next = next.end(Result{Kind: Halted, Err: e.Err})
	default:
		if !s.Phase.takes(e) {
			return s, nil, fmt.Errorf("%w: %T while %s", ErrUnexpected, e, s.Phase)
		}
		return next.advance(e, failures)
	}
	return next, next.effects(), nil
}

// effects is what the phase wants done: one effect, or none at the end.
func (s State) effects() []Effect {
	switch s.Phase {
	case Locking:
		return []Effect{Acquire{Request: s.request}}
	case Healing, Reporting:
		return []Effect{Notify{Number: s.head.Number}}
	case Requesting:
		return []Effect{Submit{Request: s.request, Timestamp: s.timestamp, Token: s.token}}
	case Awaiting:
		return []Effect{Await{RequestID: s.request.ID, Number: s.head.Number + 1}}
	case Fetching:
		return []Effect{Fetch{Number: s.head.Number + 1}}
	case Appending:
		return []Effect{Append{Preblock: s.preblock, Head: s.head, Token: s.token, Holder: s.holder}}
	case Applying:
		return []Effect{Apply{Record: s.record}}
	case Publishing:
		return []Effect{Publish{Number: s.head.Number}}
	case Notifying:
		return []Effect{Notify{RequestID: s.preblock.GetRequestId(), Number: s.head.Number}}
	case Releasing:
		return []Effect{Release{}}
	}
	return nil
}

// takes says whether e is an answer to the phase's effect.
func (p Phase) takes(e Event) bool {
	switch e.(type) {
	case Locked:
		return p == Locking
	case Notified:
		return p == Healing || p == Notifying || p == Reporting
	case Requested:
		return p == Requesting
	case Delivered:
		return p == Awaiting || p == Fetching
	case Denied, TimedOut:
		return p == Awaiting
	case UpToDate:
		return p == Fetching
	case Appended:
		return p == Appending
	case Applied:
		return p == Applying
	case Published:
		return p == Publishing
	case Released:
		return p == Releasing
	}
	return false
}

// advance is the table's way without trouble.
func (s State) advance(e Event, failures int) (State, []Effect, error) {
	switch e := e.(type) {
	case Locked:
		s = s.locked(e)
	case Requested:
		s.Phase, s.processed = Awaiting, e.Processed
	case Delivered:
		return s.delivered(e.Preblock, failures)
	case Denied:
		if e.RequestID != s.request.ID {
			return s.retry(failures)
		}
		s = s.end(Result{Kind: Empty, Reason: e.Reason})
	case UpToDate:
		s = s.upToDate()
	case TimedOut:
		s = s.timedOut()
	case Appended:
		s.Phase, s.record = Applying, e.Record
	case Applied:
		s.Phase, s.block, s.head = Publishing, e.Block, e.Block.Head
	case Published:
		s = s.published()
	case Notified:
		s = s.notified()
	case Released:
		s.Phase = Ended
	}
	return s, s.effects(), nil
}

func (s State) locked(e Locked) State {
	s.token, s.holder, s.head = e.Token, e.Holder, e.Head
	if e.Known != nil {
		return s.end(Result{Kind: Produced, Block: *e.Known})
	}
	var err error
	if s.timestamp, err = s.request.at(e.Head, e.Now, s.maxDrift); err != nil {
		return s.end(Result{Kind: Refused, Err: err})
	}
	if !e.Notified {
		s.Phase = Healing
		return s
	}
	return s.ask()
}

// ask goes to the phase that gets the next preblock.
func (s State) ask() State {
	s.Phase = Requesting
	if s.request.Sync {
		s.Phase = Fetching
	}
	return s
}

// at sets the block's timestamp.
func (r Request) at(head Head, now time.Time, maxDrift time.Duration) (int64, error) {
	if r.Timestamp.IsZero() {
		return max(now.Unix(), head.Time), nil
	}
	at := r.Timestamp.Unix()
	switch {
	case at < head.Time:
		return 0, fmt.Errorf("%w: %s, the head has %s", ErrTimestampDecreased, rfc3339(at), rfc3339(head.Time))
	case at > head.Time && at > now.Add(maxDrift).Unix():
		return 0, fmt.Errorf("%w: %s is more than %s ahead of %s", ErrTimestampAhead, rfc3339(at), maxDrift, rfc3339(now.Unix()))
	}
	return at, nil
}

func rfc3339(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

func (s State) delivered(p *preblockv1.Preblock, failures int) (State, []Effect, error) {
	if n := p.GetContent().GetNumber(); n != s.head.Number+1 && n != 0 {
		// A monitor that answers another number than asked is broken or old; asking again at once would spin.
		return s.retry(failures)
	}
	s.Phase, s.preblock = Appending, p
	if err := Follows(s.head, p); err != nil {
		s = s.end(Result{Kind: Halted, Err: err})
	}
	return s, s.effects(), nil
}

// Follows refuses a preblock that cannot be the next block. What a certified one says of the block before is not looked at: its
// content is final, keyholders cannot check a parent, and a chain that stops for one could be stopped by any proposer (package
// logrecord has what is done instead). Without keyholders a wrong parent halts and is not skipped: the DSN has fixed this number
// for ever, and either our chain differs from the one the proposal was made on, or someone has put a proposal of his own into
// the DSN. Neither is for a program to decide.
func Follows(head Head, p *preblockv1.Preblock) error {
	c := p.GetContent()
	if err := content.Check(c); err != nil {
		return fmt.Errorf("%w: %w", ErrBadPreblock, err)
	}
	hash := content.HashOf(c)
	switch {
	case !bytes.Equal(hash[:], p.GetContentHash()):
		return fmt.Errorf("%w: preblock %d has content hash %x and says %x", ErrBadPreblock, c.GetNumber(), hash, p.GetContentHash())
	case p.GetCertificate() != nil:
		return nil
	case !bytes.Equal(c.GetPreviousBlockHash(), head.Hash[:]):
		return fmt.Errorf("%w: preblock %d builds on %x, the head is %x", ErrBadPreblock, c.GetNumber(), c.GetPreviousBlockHash(), head.Hash)
	case c.GetTimestamp().GetSeconds() < head.Time:
		return fmt.Errorf("%w: preblock %d is of %s, the head of %s", ErrBadPreblock, c.GetNumber(), rfc3339(c.GetTimestamp().GetSeconds()), rfc3339(head.Time))
	}
	return nil
}

func (s State) upToDate() State {
	s.Phase = Reporting
	if s.head.Number == 0 {
		return s.end(Result{Kind: Synced})
	}
	return s
}

func (s State) timedOut() State {
	switch {
	case s.processed:
		return s.end(Result{Kind: Refused, Err: ErrForgotten})
	case s.head.Number == 0:
		s.Phase = Requesting
	default:
		s.Phase = Healing
	}
	return s
}

func (s State) published() State {
	s.Phase = Notifying
	if s.request.Sync {
		s.Phase = Fetching // the proposer is notified once, when all is applied
	}
	return s
}

func (s State) notified() State {
	switch s.Phase {
	case Healing:
		return s.ask()
	case Reporting:
		return s.end(Result{Kind: Synced})
	}
	if s.own() {
		return s.end(Result{Kind: Produced, Block: s.block})
	}
	s.Phase = Awaiting
	return s
}

// own says whether the block in hand answers this section's request.
func (s State) own() bool { return s.request.ID != "" && s.preblock.GetRequestId() == s.request.ID }

func (s State) interrupted(err error) State {
	switch {
	case s.Phase == Locking: // there is no lock to release
		s.Phase, s.Result = Ended, Result{Kind: Interrupted, Err: err}
		return s
	case s.Phase == Notifying && s.own():
		return s.end(Result{Kind: Produced, Block: s.block})
	}
	return s.end(Result{Kind: Interrupted, Err: err})
}

// end releases the lock and then ends with o.
func (s State) end(o Result) State {
	s.Phase, s.Result = Releasing, o
	return s
}

func (s State) retry(failures int) (State, []Effect, error) {
	s.failures = failures + 1
	return s, []Effect{Pause{Failures: s.failures}}, nil
}

// BlockOf is the block that a log record gave.
func BlockOf(rec *blueprintv1.LogRecord, hash content.Hash) Block {
	return Block{
		Head:         Head{Number: rec.GetNumber(), Hash: hash, Time: rec.GetTimestamp().GetSeconds()},
		Transactions: len(rec.GetDelayedTransactions()) + len(rec.GetTransactions()) + Unopenable(rec),
	}
}

// Unopenable counts the sealed transactions of a record that left nothing to execute.
func Unopenable(rec *blueprintv1.LogRecord) (n int) {
	for _, one := range rec.GetSealed() {
		if len(one.GetTransactionHash()) == 0 {
			n++
		}
	}
	return n
}

// String names a phase in logs and errors.
func (p Phase) String() string {
	names := [...]string{"locking", "healing", "requesting", "awaiting", "fetching", "appending", "applying",
		"publishing", "notifying", "reporting", "releasing", "ended"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Problem is the error of an outcome that is one; nil for Produced, Empty and Synced.
func (o Result) Problem() error {
	switch o.Kind {
	case Produced, Empty, Synced:
		return nil
	}
	return o.Err
}
