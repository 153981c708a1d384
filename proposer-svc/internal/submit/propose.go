package submit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"blindseq/proposer-svc/internal/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// propose makes the first attempt for the head of the FIFO, or ends it without a preblock.
func (t *term) propose(ctx context.Context, r queue.Request) error {
	began := time.Now()
	p, err := t.ask(ctx, r)
	if err != nil {
		return err
	}
	if reason := refusal(r, p); reason != none {
		free, err := t.free(ctx, p.GetContent())
		if err != nil {
			return err
		}
		if free {
			// gofail: var requestDeclining struct{}
			_, err = t.Queue.Apply(ctx, queue.Decline{By: t.by, ID: r.ID, Reason: queue.Reason(reason)})
			return err
		}
		// The number has its preblock already, which the producer will apply: the request is proposed for it, the DSN
		// answers with what it has, and if that was an earlier proposal of this very request, this is its event.
	}
	c, hash, err := proposal(p)
	if err != nil {
		return err
	}
	// gofail: var proposalRecording struct{}
	r, err = t.Queue.Apply(ctx, queue.Start{By: t.by, ID: r.ID, Number: c.GetNumber(), Hash: hash})
	if err != nil {
		return err
	}
	// gofail: var proposalRecorded struct{}
	return t.submit(ctx, r, c, began)
}

// ask gets from the leading producer what a proposal would hold now.
func (t *term) ask(ctx context.Context, r queue.Request) (*blueprintv1.GetProposalContentResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	p, err := t.Producer.GetProposalContent(ctx, &blueprintv1.GetProposalContentRequest{
		Timestamp: &timestamppb.Timestamp{Seconds: r.Timestamp}, WithDelayedTransactions: r.WithDelayed,
	})
	if err != nil {
		return nil, fmt.Errorf("ask the producer for a proposal's content: %w", err)
	}
	return p, nil
}

// free says whether the DSN has no preblock yet for the number a proposal would have.
func (t *term) free(ctx context.Context, c *preblockv1.Content) (bool, error) {
	if c == nil {
		return true, nil // the producer did not say which number
	}
	fixed, err := t.fixed(ctx, c.GetNumber())
	return fixed == nil, err
}

// fixed is the preblock of a number; nil when there is none yet.
func (t *term) fixed(ctx context.Context, number uint64) (*preblockv1.Preblock, error) {
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

// submit gives a recorded attempt to the DSN. After an error it is not known whether the DSN has it: the next step
// follows an attempt that is not watched, and asks.
func (t *term) submit(ctx context.Context, r queue.Request, c *preblockv1.Content, began time.Time) error {
	ctx = numbered(ctx, r)
	call, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	res, err := t.DSN.SubmitProposal(call, &dsnv1.SubmitProposalRequest{Content: c, RequestId: r.ID, Attempt: r.Attempt})
	if err != nil {
		return fmt.Errorf("submit proposal %d: %w", r.Number, err)
	}
	// gofail: var proposalSubmitted struct{}
	t.watch(r)
	t.Observer.Submitted(r.Attempt, time.Since(began))
	t.Log.DebugContext(ctx, "submitted", "transactions", len(c.GetTransactions()), "delayed", len(c.GetDelayedTransactionHashes()))
	if bytes.Equal(r.ContentHash, res.GetContentHash()) {
		return nil
	}
	t.Log.WarnContext(ctx, "the DSN has another content for this number", "fixed_for", res.GetRequestId(),
		"proposed_hash", fmt.Sprintf("%x", r.ContentHash), "fixed_hash", fmt.Sprintf("%x", res.GetContentHash()))
	return t.belongsTo(ctx, r, res.GetRequestId())
}

// belongsTo takes note of whose the number of the request in flight became.
func (t *term) belongsTo(ctx context.Context, r queue.Request, owner string) error {
	if owner == r.ID || r.Displaced {
		return nil
	}
	t.Observer.Displaced()
	_, err := t.Queue.Apply(ctx, queue.Displace{By: t.by, ID: r.ID})
	return err
}

// announce tells the monitor why a request ends without a preblock, and ends it.
func (t *term) announce(ctx context.Context, r queue.Request) error {
	reason := preblockv1.NoPreblockReason(r.Reason)
	call, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	// gofail: var noticeAnnouncing struct{}
	_, err := t.Monitor.NotifyNoPreblock(call, &preblockv1.NotifyNoPreblockRequest{RequestId: r.ID, Reason: reason})
	switch status.Code(err) {
	case codes.OK:
	case codes.AlreadyExists: // the waiter has its one event, and another is not to follow
		t.Log.ErrorContext(ctx, "the request had ended otherwise", "reason", reason, "error", err)
	default:
		return fmt.Errorf("notify no preblock: %w", err)
	}
	// gofail: var noticeAnnounced struct{}
	if _, err := t.Queue.Apply(ctx, queue.Announced{By: t.by, ID: r.ID}); err != nil {
		return err
	}
	t.Observer.Declined(reason)
	t.Log.DebugContext(ctx, "no preblock", "reason", reason)
	return nil
}
