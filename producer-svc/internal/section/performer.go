package section

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	callTimeout  = 5 * time.Second // of a call that answers at once
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// Deps is what the effects are done with.
type Deps struct {
	Lock      Lock
	Proposer  Proposer
	Monitor   Monitor
	Log       Log
	Chain     Chain
	Delayed   Delayed
	Publisher Publisher
	Now       func() time.Time
	// Await is how long one call waits for a request's event before the request is made again.
	Await time.Duration
}

// Session is what one section holds while it runs.
type Session struct{ held Held }

// Performer does what a machine wants.
type Performer interface {
	Perform(ctx context.Context, s *Session, e Effect) Event
}

type performer struct {
	Deps
	notified atomic.Uint64 // highest number the proposer was told since this process began
}

// NewPerformer returns the Performer that does effects for real.
func NewPerformer(d Deps) Performer { return &performer{Deps: d} }

func (p *performer) Perform(ctx context.Context, s *Session, e Effect) Event {
	switch e := e.(type) {
	case Acquire:
		return p.acquire(ctx, s, e)
	case Apply:
		return p.apply(ctx, e)
	case Publish:
		p.Publisher.Publish(e.Number)
		// gofail: var sectionPublished struct{}
		return Published{}
	case Release:
		return p.release(ctx, s)
	}
	held := s.held.Context()
	if held.Err() != nil {
		return Interrupt{Err: context.Cause(held)}
	}
	if err := s.held.Check(); err != nil { // just woken from a pause longer than the lease
		return Interrupt{Err: err}
	}
	ctx, cancel := whileHeld(ctx, held)
	defer cancel()
	event := p.interruptible(ctx, e)
	if _, failed := event.(Failure); failed && held.Err() != nil {
		return Interrupt{Err: context.Cause(held)}
	}
	return event
}

// whileHeld is ctx, with what it carries, ending also when held ends.
func whileHeld(ctx, held context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(held, func() { cancel(context.Cause(held)) })
	return ctx, func() { stop(); cancel(context.Canceled) }
}

func (p *performer) interruptible(ctx context.Context, e Effect) Event {
	switch e := e.(type) {
	case Submit:
		return p.submit(ctx, e)
	case Await:
		return p.await(ctx, e)
	case Fetch:
		return p.fetch(ctx, e)
	case Append:
		return p.append(e)
	case Notify:
		return p.notify(ctx, e)
	case Pause:
		return p.pause(ctx, e)
	}
	return Alarm{Err: fmt.Errorf("effect %T is not known", e)}
}

func (p *performer) acquire(ctx context.Context, s *Session, e Acquire) Event {
	held, err := p.Lock.Acquire(ctx, e.Request.Priority)
	if err != nil {
		return Interrupt{Err: fmt.Errorf("acquire consumption lock: %w", err)}
	}
	// gofail: var sectionLocked struct{}
	s.held = held
	head := p.Chain.Head()
	return Locked{
		Token: held.Token(), Holder: held.Holder(), Head: head, Now: p.Now(),
		Known: p.known(e.Request.ID), Notified: head.Number == 0 || p.notified.Load() >= head.Number,
	}
}

// known finds the block that a request gave earlier, in a section that did not live to tell.
func (p *performer) known(requestID string) *Block {
	rec, ok := p.Log.ByRequest(requestID)
	if !ok {
		return nil
	}
	hash, ok := p.Chain.BlockHash(rec.GetNumber())
	if !ok {
		return nil
	}
	block := BlockOf(rec, hash)
	return &block
}

// BlockOf is the block that a record gave.
func BlockOf(rec *blueprintv1.LogRecord, hash content.Hash) Block {
	return Block{
		Head:         Head{Number: rec.GetNumber(), Hash: hash, Time: rec.GetTimestamp().GetSeconds()},
		Transactions: len(rec.GetDelayedTransactions()) + len(rec.GetTransactions()) + undecryptable(rec),
	}
}

func (p *performer) release(ctx context.Context, s *Session) Event {
	// gofail: var sectionReleasing struct{}
	_ = s.held.Release(ctx) // a lock that is not released is lost when its lease ends, which is as good
	// gofail: var sectionReleased struct{}
	return Released{}
}

func (p *performer) submit(ctx context.Context, e Submit) Event {
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
		return Requested{Processed: answer.GetState() == proposalv1.RequestState_REQUEST_STATE_PROCESSED}
	case codes.InvalidArgument:
		return Refusal{Err: fmt.Errorf("request proposal %s: %w", e.Request.ID, err)}
	}
	return Failure{Err: fmt.Errorf("request proposal %s: %w", e.Request.ID, err)}
}

func (p *performer) await(ctx context.Context, e Await) Event {
	// The monitor's own timeout comes first, so that the deadline here is for one that does not answer at all.
	ctx, cancel := context.WithTimeout(ctx, p.Await+callTimeout)
	defer cancel()
	answer, err := p.Monitor.Next(ctx, &preblockv1.NextRequest{
		RequestId: e.RequestID, Number: e.Number, Timeout: durationpb.New(p.Await),
	})
	if err != nil {
		err = fmt.Errorf("await event of request %s or preblock %d: %w", e.RequestID, e.Number, err)
		if status.Code(err) == codes.DeadlineExceeded {
			return TimedOut{}
		}
		return troubled(err)
	}
	switch event := answer.GetEvent().GetEvent().(type) {
	case *preblockv1.Event_Preblock:
		// gofail: var sectionDelivered struct{}
		return Delivered{Preblock: event.Preblock}
	case *preblockv1.Event_NoPreblock:
		return Denied{RequestID: event.NoPreblock.GetRequestId(), Reason: event.NoPreblock.GetReason()}
	}
	return Failure{Err: fmt.Errorf("await event of request %s: the answer holds none", e.RequestID)}
}

func (p *performer) fetch(ctx context.Context, e Fetch) Event {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := p.Monitor.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: e.Number})
	switch {
	case status.Code(err) == codes.NotFound:
		return UpToDate{}
	case err != nil:
		return troubled(fmt.Errorf("fetch preblock %d: %w", e.Number, err))
	}
	return Delivered{Preblock: answer.GetPreblock()}
}

// troubled sorts an error of the monitor.
func troubled(err error) Event {
	switch status.Code(err) {
	case codes.FailedPrecondition: // two contents for one number
		return Alarm{Err: err}
	case codes.InvalidArgument:
		return Refusal{Err: err}
	}
	return Failure{Err: err}
}

func (p *performer) append(e Append) Event {
	rec, err := RecordOf(e.Preblock, p.Delayed)
	switch {
	case errors.Is(err, ErrUnknownDelayed):
		return Missing{Err: err}
	case err != nil:
		return Alarm{Err: err}
	}
	rec.Token, rec.Holder = e.Token, e.Holder
	// gofail: var sectionAppending struct{}
	stored, err := p.Log.Append(rec, e.Head.Hash)
	switch {
	case errors.Is(err, ErrStale), errors.Is(err, ErrStorage):
		return Interrupt{Err: err}
	case err != nil:
		return Alarm{Err: err}
	}
	// gofail: var sectionAppended struct{}
	return Appended{Record: stored}
}

func (p *performer) apply(ctx context.Context, e Apply) Event {
	block, err := p.Chain.Apply(context.WithoutCancel(ctx), e.Record)
	switch {
	case errors.Is(err, ErrStorage): // the log has the record: it is applied after a restart
		return Interrupt{Err: err}
	case err != nil:
		return Alarm{Err: fmt.Errorf("apply blueprint %d: %w", e.Record.GetNumber(), err)}
	}
	// gofail: var sectionApplied struct{}
	return Applied{Block: block}
}

func (p *performer) notify(ctx context.Context, e Notify) Event {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id := e.RequestID
	if id == "" { // a number alone does not tell the proposer whose it became
		id = p.Log.RequestOf(e.Number)
	}
	// gofail: var sectionNotifying struct{}
	_, err := p.Proposer.NotifyProcessed(ctx, &proposalv1.NotifyProcessedRequest{RequestId: id, Number: e.Number})
	if err != nil {
		return Failure{Err: fmt.Errorf("notify processed %d: %w", e.Number, err)}
	}
	// gofail: var sectionNotified struct{}
	p.notified.Store(e.Number)
	return Notified{}
}

// pause waits twice as long with every failure, up to a second, and half of it at random, so that several producers
// do not come back at the same moment.
func (p *performer) pause(ctx context.Context, e Pause) Event {
	d := min(firstPause<<min(e.Failures-1, 10), longestPause)
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return Resumed{}
	case <-ctx.Done():
		return Interrupt{Err: context.Cause(ctx)}
	}
}
