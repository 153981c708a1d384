package submit

import (
	"context"
	"fmt"
	"time"

	"blindseq/proposer-svc/internal/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// follow waits for the request in flight to be processed, and asks the DSN when its deadline has passed, or at once
// when this replica has not submitted the attempt itself.
func (t *term) follow(ctx context.Context, r queue.Request) error {
	if t.watched == attemptOf(r) {
		if left := time.Until(t.deadline); left > 0 {
			timer := time.NewTimer(left)
			defer timer.Stop()
			return t.await(ctx, timer.C)
		}
	}
	return t.check(ctx, r)
}

func (t *term) watch(r queue.Request) {
	t.watched, t.deadline = attemptOf(r), time.Now().Add(t.cfg.AttemptTimeout)
}

// check finds out what became of the attempt in flight, from the DSN and from the producer's head: a preblock is on
// its way to the producer by way of the monitor; or the producer applied it, and its notice was lost; or there is none.
func (t *term) check(ctx context.Context, r queue.Request) error {
	began := time.Now()
	fixed, err := t.fixed(ctx, r.Number)
	if err != nil {
		return err
	}
	if fixed != nil {
		if err := t.belongsTo(ctx, r, fixed.GetRequestId()); err != nil {
			return err
		}
	}
	p, err := t.ask(ctx, r)
	if err != nil {
		return err
	}
	switch next := p.GetContent().GetNumber(); {
	case next > r.Number && fixed == nil:
		return fmt.Errorf("follow proposal %d: the producer is at %d: %w", r.Number, next, ErrPreblockLost)
	case next > r.Number:
		_, err := t.Queue.Apply(ctx, queue.Applied{ID: fixed.GetRequestId(), Number: r.Number})
		return err
	case fixed != nil:
		t.Log.DebugContext(numbered(ctx, r), "waiting for the producer to apply the preblock")
		t.watch(r)
		return nil
	case next < r.Number:
		return fmt.Errorf("follow proposal %d: the producer is at %d: %w", r.Number, next, ErrProducerBehind)
	}
	return t.retry(ctx, r, p, began)
}

// retry makes another attempt for the same number with what the producer has now. It is made also with the pool locked
// or empty: an earlier attempt may still become a preblock, so the request cannot end without one any more.
func (t *term) retry(ctx context.Context, r queue.Request, p *blueprintv1.GetProposalContentResponse, began time.Time) error {
	c, hash, err := proposal(p)
	if err != nil {
		return err
	}
	r, err = t.Queue.Apply(ctx, queue.Retry{By: t.by, ID: r.ID, Hash: hash})
	if err != nil {
		return err
	}
	t.Log.WarnContext(numbered(ctx, r), "no preblock before the deadline: another attempt")
	// gofail: var retryRecorded struct{}
	return t.submit(ctx, r, c, began)
}
