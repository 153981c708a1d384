package api

import (
	"context"
	"fmt"
	"time"

	"blindseq/kit/requestid"
	"blindseq/monitor-svc/internal/hub"
	"blindseq/monitor-svc/internal/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Hub is the merge of this replica.
type Hub interface {
	Wait(requestID string, number uint64) *hub.Waiter
	Leave(*hub.Waiter)
	Do(merge.Input)
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
	w := s.Hub.Wait(req.GetRequestId(), req.GetNumber())
	defer s.Hub.Leave(w)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-w.Outcome():
		// gofail: var preblockDelivered struct{}
		return response(req, o)
	case <-timer.C:
		return nil, s.late(req, limit)
	case <-ctx.Done():
		return nil, fmt.Errorf("next for %s, preblock %d: %w", req.GetRequestId(), req.GetNumber(), ctx.Err())
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

func response(req *preblockv1.NextRequest, o merge.Outcome) (*preblockv1.NextResponse, error) {
	switch {
	case o.Err != nil:
		return nil, fmt.Errorf("next for %s, preblock %d: %w", req.GetRequestId(), req.GetNumber(), o.Err)
	case o.NoPreblock != nil:
		return &preblockv1.NextResponse{Event: &preblockv1.Event{Event: &preblockv1.Event_NoPreblock{NoPreblock: o.NoPreblock}}}, nil
	}
	return &preblockv1.NextResponse{Event: &preblockv1.Event{Event: &preblockv1.Event_Preblock{Preblock: o.Preblock}}}, nil
}

// late says what was awaited in vain, and what a person looks at next.
func (s *Service) late(req *preblockv1.NextRequest, waited time.Duration) error {
	last, _, _ := s.Hub.Status()
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
