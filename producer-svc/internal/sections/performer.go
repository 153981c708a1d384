// Package sections runs critical sections: it does the effects of package section's machine, with the consumption lock, the
// proposer, the monitor and the engine.
//
// It guarantees: no effect of a section outlives its lock, except those that finish a decided block; after an alarm no
// section begins (Guard). It asks nothing of callers: several sections may run at once, the lock orders them.
package sections

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"blindseq/kit/retry"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/section"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const callTimeout = 5 * time.Second // of a call that answers at once

// pauses are between attempts of a step that failed.
var pauses = retry.Policy{First: 10 * time.Millisecond, Longest: time.Second}

// Deps is what the effects are done with.
type Deps struct {
	Lock     Lock
	Proposer Proposer
	Monitor  Monitor
	Engine   Engine
	Now      func() time.Time
	// Await is how long one call waits for a request's event before the request is retried.
	Await time.Duration
}

// Session is what one section holds while it runs.
type Session struct{ held Held }

// Performer does what a machine wants.
type Performer interface {
	Perform(ctx context.Context, s *Session, e section.Effect) section.Event
}

type performer struct {
	Deps
	notified atomic.Uint64 // highest number the proposer was notified of since this process began
}

// NewPerformer returns the Performer that does effects for real.
func NewPerformer(d Deps) Performer { return &performer{Deps: d} }

func (p *performer) Perform(ctx context.Context, s *Session, e section.Effect) section.Event {
	switch e := e.(type) {
	case section.Acquire:
		return p.acquire(ctx, s, e)
	case section.Apply:
		return p.apply(ctx, e)
	case section.Publish:
		p.Engine.Publish(e.Number)
		// gofail: var sectionPublished struct{}
		return section.Published{}
	case section.Release:
		return p.release(ctx, s)
	}
	held := s.held.Context()
	if held.Err() != nil {
		return section.Interrupt{Err: context.Cause(held)}
	}
	if err := s.held.Check(); err != nil { // just woken from a pause longer than the lease
		return section.Interrupt{Err: err}
	}
	ctx, cancel := whileHeld(ctx, held)
	defer cancel()
	event := p.interruptible(ctx, e)
	if _, failed := event.(section.Failure); failed && held.Err() != nil {
		return section.Interrupt{Err: context.Cause(held)}
	}
	return event
}

// whileHeld is ctx, with what it carries, ending also when held ends.
func whileHeld(ctx, held context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(held, func() { cancel(context.Cause(held)) })
	return ctx, func() { stop(); cancel(context.Canceled) }
}

func (p *performer) interruptible(ctx context.Context, e section.Effect) section.Event {
	switch e := e.(type) {
	case section.Submit:
		return p.submit(ctx, e)
	case section.Await:
		return p.await(ctx, e)
	case section.Fetch:
		return p.fetch(ctx, e)
	case section.Append:
		return p.append(e)
	case section.Notify:
		return p.notify(ctx, e)
	case section.Pause:
		return p.pause(ctx, e)
	}
	return section.Alarm{Err: fmt.Errorf("effect %T is not known", e)}
}

func (p *performer) acquire(ctx context.Context, s *Session, e section.Acquire) section.Event {
	held, err := p.Lock.Acquire(ctx, e.Request.Priority)
	if err != nil {
		return section.Interrupt{Err: fmt.Errorf("acquire consumption lock: %w", err)}
	}
	// gofail: var sectionLocked struct{}
	s.held = held
	head := p.Engine.Head()
	locked := section.Locked{
		Token: held.Token(), Holder: held.Holder(), Head: head, Now: p.Now(),
		Notified: head.Number == 0 || p.notified.Load() >= head.Number,
	}
	if block, ok := p.Engine.Known(e.Request.ID); ok { // of a section that did not live to tell
		locked.Known = &block
	}
	return locked
}

func (p *performer) release(ctx context.Context, s *Session) section.Event {
	// gofail: var sectionReleasing struct{}
	_ = s.held.Release(ctx) // a lock that is not released is lost when its lease ends, which is as good
	// gofail: var sectionReleased struct{}
	return section.Released{}
}

func (p *performer) submit(ctx context.Context, e section.Submit) section.Event {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := p.Proposer.RequestProposal(ctx, &proposalv1.RequestProposalRequest{
		RequestId:               e.Request.ID,
		Timestamp:               &timestamppb.Timestamp{Seconds: e.Timestamp},
		Force:                   e.Request.Force,
		WithDelayedTransactions: e.Request.WithDelayed,
		Token:                   e.Token,
	})
	switch status.Code(err) {
	case codes.OK:
		// gofail: var sectionRequested struct{}
		return section.Requested{Processed: answer.GetState() == proposalv1.RequestState_REQUEST_STATE_PROCESSED}
	case codes.InvalidArgument:
		return section.Refusal{Err: fmt.Errorf("request proposal %s: %w", e.Request.ID, err)}
	}
	return section.Failure{Err: fmt.Errorf("request proposal %s: %w", e.Request.ID, err)}
}

func (p *performer) await(ctx context.Context, e section.Await) section.Event {
	// The monitor's own timeout comes first, so that the deadline here is for one that does not answer at all.
	ctx, cancel := context.WithTimeout(ctx, p.Await+callTimeout)
	defer cancel()
	answer, err := p.Monitor.Next(ctx, &preblockv1.NextRequest{
		RequestId: e.RequestID, Number: e.Number, Timeout: durationpb.New(p.Await),
	})
	if err != nil {
		err = fmt.Errorf("await event of request %s or preblock %d: %w", e.RequestID, e.Number, err)
		if status.Code(err) == codes.DeadlineExceeded {
			return section.TimedOut{}
		}
		return monitorTrouble(err)
	}
	switch event := answer.GetEvent().GetEvent().(type) {
	case *preblockv1.Event_Preblock:
		// gofail: var sectionDelivered struct{}
		return section.Delivered{Preblock: event.Preblock}
	case *preblockv1.Event_NoPreblock:
		return section.Denied{RequestID: event.NoPreblock.GetRequestId(), Reason: event.NoPreblock.GetReason()}
	}
	return section.Failure{Err: fmt.Errorf("await event of request %s: the answer holds none", e.RequestID)}
}

func (p *performer) fetch(ctx context.Context, e section.Fetch) section.Event {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := p.Monitor.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: e.Number})
	switch {
	case status.Code(err) == codes.NotFound:
		return section.UpToDate{}
	case err != nil:
		return monitorTrouble(fmt.Errorf("fetch preblock %d: %w", e.Number, err))
	}
	return section.Delivered{Preblock: answer.GetPreblock()}
}

// monitorTrouble classifies an error of the monitor.
func monitorTrouble(err error) section.Event {
	switch status.Code(err) {
	case codes.FailedPrecondition: // two contents for one number
		return section.Alarm{Err: err}
	case codes.InvalidArgument:
		return section.Refusal{Err: err}
	}
	return section.Failure{Err: err}
}

func (p *performer) append(e section.Append) section.Event {
	stored, err := p.Engine.Append(e.Preblock, engine.Turn{Head: e.Head, Token: e.Token, Holder: e.Holder})
	if err != nil {
		return troubleOf(err)
	}
	// gofail: var sectionAppended struct{}
	return section.Appended{Record: stored}
}

func (p *performer) apply(ctx context.Context, e section.Apply) section.Event {
	block, err := p.Engine.Apply(ctx, e.Record)
	if err != nil { // of a broken disk too: the log has the record, which is applied after a restart
		return troubleOf(err)
	}
	// gofail: var sectionApplied struct{}
	return section.Applied{Block: block}
}

// troubleOf is the event of an error of the engine.
func troubleOf(err error) section.Event {
	switch engine.KindOf(err) {
	case engine.Interrupt, engine.Broken:
		return section.Interrupt{Err: err}
	case engine.Refusal:
		return section.Missing{Err: err}
	}
	return section.Alarm{Err: err}
}

func (p *performer) notify(ctx context.Context, e section.Notify) section.Event {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id := e.RequestID
	if id == "" { // a number alone does not tell the proposer whose it became
		id = p.Engine.RequestOf(e.Number)
	}
	// gofail: var sectionNotifying struct{}
	_, err := p.Proposer.NotifyProcessed(ctx, &proposalv1.NotifyProcessedRequest{RequestId: id, Number: e.Number})
	if err != nil {
		return section.Failure{Err: fmt.Errorf("notify processed %d: %w", e.Number, err)}
	}
	// gofail: var sectionNotified struct{}
	p.notified.Store(e.Number)
	return section.Notified{}
}

// pause waits longer with every failure.
func (p *performer) pause(ctx context.Context, e section.Pause) section.Event {
	if err := retry.Sleep(ctx, pauses.Pause(e.Failures)); err != nil {
		return section.Interrupt{Err: err}
	}
	return section.Resumed{}
}
