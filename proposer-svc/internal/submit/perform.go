package submit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/term"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// perform does one step of the term.
func (t *lead) perform(ctx context.Context, e term.Effect) (term.Event, error) {
	switch e := e.(type) {
	case term.Look:
		t.began = time.Now()
		v, err := t.Queue.View(ctx)
		return term.Seen{View: v, Now: time.Now()}, err
	case term.Sleep:
		t.sleep(ctx, e.Until)
		t.began = time.Now()
		return term.Woken{}, nil
	case term.Ask:
		answer, err := t.ask(ctx, e)
		return term.Content{Answer: answer, Now: time.Now()}, err
	case term.Probe:
		accepted, err := t.probe(ctx, e.Number)
		return term.Probed{Accepted: accepted}, err
	case term.Find:
		p, err := t.find(ctx, e.Number)
		return term.Found{Preblock: p}, err
	case term.Record:
		return t.record(ctx, e.Event)
	case term.Submit:
		return t.submit(ctx, e)
	case term.Tell:
		return term.Told{}, t.tell(ctx, e.Request)
	}
	return nil, fmt.Errorf("effect %T is not known", e)
}

// sleep ends when the FIFO may have changed or the deadline has passed.
func (t *lead) sleep(ctx context.Context, until time.Time) {
	var deadline <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		deadline = timer.C
	}
	select {
	case <-t.Queue.Wake():
	case <-deadline:
		t.Queue.Refresh() // a wiped Redis sends no event
	case <-ctx.Done():
	}
}

func (t *lead) ask(ctx context.Context, e term.Ask) (*blueprintv1.GetProposalContentResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	request := &blueprintv1.GetProposalContentRequest{
		Timestamp: &timestamppb.Timestamp{Seconds: e.Request.Timestamp}, WithDelayedTransactions: e.Request.WithDelayed,
	}
	if e.Served {
		request.RequestId = e.Request.ID
	}
	p, err := t.Producer.GetProposalContent(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask the producer for a proposal's content: %w", err)
	}
	return p, nil
}

func (t *lead) probe(ctx context.Context, number uint64) (accepted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	res, err := t.DSN.GetStatus(ctx, &dsnv1.GetStatusRequest{})
	if err != nil {
		return false, fmt.Errorf("ask the DSN for its last number: %w", err)
	}
	return res.GetAcceptedNumber() >= number, nil
}

func (t *lead) find(ctx context.Context, number uint64) (*preblockv1.Preblock, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	res, err := t.DSN.GetPreblock(ctx, &dsnv1.GetPreblockRequest{Number: number})
	switch status.Code(err) {
	case codes.OK:
		return res.GetPreblock(), nil
	case codes.NotFound:
		return nil, nil
	}
	return nil, fmt.Errorf("ask the DSN for preblock %d: %w", number, err)
}

func (t *lead) record(ctx context.Context, e queue.Event) (term.Event, error) {
	switch e.(type) {
	case queue.Decline, queue.Refuse:
		// gofail: var requestDeclining struct{}
	case queue.Start:
		// gofail: var proposalRecording struct{}
	}
	r, err := t.Queue.Apply(ctx, e)
	if err != nil {
		return nil, err
	}
	switch e.(type) {
	case queue.Start:
		// gofail: var proposalRecorded struct{}
	case queue.Displace:
		t.Observer.Displaced()
	case queue.Retry:
		t.Log.WarnContext(numbered(ctx, r), "no preblock before the deadline, proposing again")
		// gofail: var retryRecorded struct{}
	case queue.Announced:
		reason := preblockv1.NoPreblockReason(r.Reason)
		t.Observer.Declined(reason)
		t.Log.InfoContext(ctx, "request ended without a preblock", "reason", reason.String())
	}
	return term.Recorded{Request: r}, nil
}

func (t *lead) submit(ctx context.Context, e term.Submit) (term.Event, error) {
	r := e.Request
	ctx = numbered(ctx, r)
	call, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	res, err := t.DSN.SubmitProposal(call, &dsnv1.SubmitProposalRequest{Content: e.Content, RequestId: r.ID, Attempt: r.Attempt})
	switch status.Code(err) {
	case codes.OK:
	case codes.OutOfRange:
		t.Log.WarnContext(ctx, "the DSN refuses the proposal's timestamp", "timestamp", e.Content.GetTimestamp().AsTime(), "error", err)
		return term.Refused{Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_TIMESTAMP_AHEAD}, nil
	default:
		return nil, fmt.Errorf("submit proposal %d: %w", r.Number, err)
	}
	// gofail: var proposalSubmitted struct{}
	t.Observer.Submitted(r.Attempt, time.Since(t.began))
	t.Log.InfoContext(ctx, "proposal submitted", "transactions", len(e.Content.GetTransactions()), "delayed", len(e.Content.GetDelayedTransactionHashes()))
	if !bytes.Equal(r.ContentHash, res.GetContentHash()) {
		t.Log.WarnContext(ctx, "the DSN has another content for this number", "fixed_for", res.GetRequestId(),
			"proposed_hash", fmt.Sprintf("%x", r.ContentHash), "fixed_hash", fmt.Sprintf("%x", res.GetContentHash()))
	}
	return term.Submitted{Answer: res, Now: time.Now()}, nil
}

func (t *lead) tell(ctx context.Context, r queue.Request) error {
	reason := preblockv1.NoPreblockReason(r.Reason)
	call, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	// gofail: var noticeAnnouncing struct{}
	_, err := t.Monitor.NotifyNoPreblock(call, &preblockv1.NotifyNoPreblockRequest{RequestId: r.ID, Reason: reason})
	switch status.Code(err) {
	case codes.OK:
	case codes.AlreadyExists: // the waiter has its one event, and another is not to follow
		t.Log.ErrorContext(ctx, "the request had already ended another way", "reason", reason.String(), "error", err)
	default:
		return fmt.Errorf("notify no preblock: %w", err)
	}
	// gofail: var noticeAnnounced struct{}
	return nil
}
