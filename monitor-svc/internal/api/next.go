package api

import (
	"context"
	"fmt"
	"time"

	"blindseq/kit/requestid"
	"blindseq/monitor-svc/internal/waiters"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Waiters holds the merge of this replica and the callers that wait for it.
type Waiters interface {
	Wait(requestID string, number uint64) *waiters.Waiter
	Leave(*waiters.Waiter)
	Do(merge.Event)
	At(number uint64) (p *preblockv1.Preblock, next uint64, moved <-chan struct{}, err error)
	EndOf(requestID string) (merge.Ended, bool)
	Status() (last uint64, waiters int, halted error)
}

// Next implements the service.
func (s *Service) Next(ctx context.Context, req *preblockv1.NextRequest) (*preblockv1.NextResponse, error) {
	if err := requestid.Valid(req.GetRequestId()); err != nil {
		return nil, fmt.Errorf("next: %w", err)
	}
	if req.GetNumber() == 0 {
		return nil, fmt.Errorf("next for %s: %w: number 0, the first is 1", req.GetRequestId(), ErrBadRequest)
	}
	limit, err := s.timeout(req.GetTimeout())
	if err != nil {
		return nil, fmt.Errorf("next for %s: %w", req.GetRequestId(), err)
	}
	w := s.Waiters.Wait(req.GetRequestId(), req.GetNumber())
	defer s.Waiters.Leave(w)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-w.Reply():
		s.note(ctx, req, r)
		// gofail: var preblockDelivered struct{}
		return response(req, r)
	case <-timer.C:
		return nil, s.late(req, limit)
	case <-ctx.Done():
		return nil, fmt.Errorf("next for %s, preblock %d: %w", req.GetRequestId(), req.GetNumber(), ctx.Err())
	}
}

// note logs the line by which an operator follows a request. Errors are returned to the caller, who logs them.
func (s *Service) note(ctx context.Context, req *preblockv1.NextRequest, r merge.Reply) {
	log := s.Source.Log.With("request_id", req.GetRequestId(), "number", req.GetNumber())
	switch {
	case r.NoPreblock != nil:
		log.InfoContext(ctx, "no preblock delivered", "reason", r.NoPreblock.GetReason().String())
	case r.Preblock != nil:
		log.InfoContext(ctx, "preblock delivered", "attempt", r.Preblock.GetAttempt(), "answers", r.Preblock.GetRequestId())
	}
}

func (s *Service) timeout(asked *durationpb.Duration) (time.Duration, error) {
	if asked == nil {
		return s.NextTimeout, nil
	}
	if err := asked.CheckValid(); err != nil || asked.AsDuration() < 0 {
		return 0, fmt.Errorf("%w: timeout %s", ErrBadRequest, asked)
	}
	return min(asked.AsDuration(), s.NextTimeout), nil
}

func response(req *preblockv1.NextRequest, r merge.Reply) (*preblockv1.NextResponse, error) {
	switch {
	case r.Err != nil:
		return nil, fmt.Errorf("next for %s, preblock %d: %w", req.GetRequestId(), req.GetNumber(), r.Err)
	case r.NoPreblock != nil:
		return &preblockv1.NextResponse{Event: &preblockv1.Event{Event: &preblockv1.Event_NoPreblock{NoPreblock: r.NoPreblock}}}, nil
	}
	return &preblockv1.NextResponse{Event: &preblockv1.Event{Event: &preblockv1.Event_Preblock{Preblock: r.Preblock}}}, nil
}

// late says what the caller waited for without a result, and what an operator looks at next.
func (s *Service) late(req *preblockv1.NextRequest, waited time.Duration) error {
	last, _, _ := s.Waiters.Status()
	dsn := "connected"
	if !s.Connected() {
		dsn = "not connected"
	} else if reason, _ := s.Waiting(); reason != "" {
		dsn = "waiting: " + reason
	}
	return status.Errorf(codes.DeadlineExceeded,
		"next: waited %s for preblock %d or the NoPreblock of request %s; the last preblock is %d, the DSN is %s",
		waited, req.GetNumber(), req.GetRequestId(), last, dsn)
}
