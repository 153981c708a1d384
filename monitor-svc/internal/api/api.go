// Package api serves the monitor over gRPC. Every replica answers the same.
package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/requestid"
	"blindseq/monitor-svc/internal/notices"
	"blindseq/monitor-svc/internal/source"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrBadRequest is wrapped by what is wrong with a call's arguments.
var ErrBadRequest = errors.New("bad request")

// Notices records why requests ended without a preblock.
type Notices interface {
	Record(context.Context, merge.NoPreblock) error
}

// Deps is what the service works with.
type Deps struct {
	Waiters     Waiters
	Notices     Notices
	Source      source.Config
	NextTimeout time.Duration
	Connected   func() bool
	Waiting     func() (reason string, accepted uint64) // as the DSN said last
	Finals      Finals
	CheckFinal  func(context.Context, *preblockv1.Final) error // nil without a committee
}

// Service implements preblockv1.MonitorServiceServer.
type Service struct {
	preblockv1.UnimplementedMonitorServiceServer
	Deps
}

// New returns the service of one replica.
func New(d Deps) *Service { return &Service{Deps: d} }

// NotifyNoPreblock implements the service.
func (s *Service) NotifyNoPreblock(ctx context.Context, req *preblockv1.NotifyNoPreblockRequest) (*preblockv1.NotifyNoPreblockResponse, error) {
	if err := requestid.Valid(req.GetRequestId()); err != nil {
		return nil, fmt.Errorf("notify no preblock: %w", err)
	}
	reason := req.GetReason()
	if _, known := preblockv1.NoPreblockReason_name[int32(reason)]; !known || reason == 0 {
		return nil, fmt.Errorf("notify no preblock for %s: %w: reason %d is not known", req.GetRequestId(), ErrBadRequest, reason)
	}
	if e, ok := s.Waiters.EndOf(req.GetRequestId()); ok && e.Reason == 0 {
		return nil, fmt.Errorf("notify no preblock for %s: %w: in preblock %d", req.GetRequestId(), notices.ErrOtherReason, e.Number)
	}
	if err := s.Notices.Record(ctx, merge.NoPreblock{RequestID: req.GetRequestId(), Reason: reason}); err != nil {
		return nil, err
	}
	return &preblockv1.NotifyNoPreblockResponse{}, nil
}

// GetPreblock implements the service.
func (s *Service) GetPreblock(ctx context.Context, req *preblockv1.GetPreblockRequest) (*preblockv1.GetPreblockResponse, error) {
	if req.GetNumber() == 0 {
		return nil, fmt.Errorf("get preblock: %w: number 0, the first is 1", ErrBadRequest)
	}
	p, next, _, _ := s.Waiters.At(req.GetNumber())
	if p != nil {
		return &preblockv1.GetPreblockResponse{Preblock: p}, nil
	}
	a, err := source.Get(ctx, s.Source, req.GetNumber())
	if err != nil {
		return nil, viaDSN(err)
	}
	if req.GetNumber() < next {
		s.Waiters.Do(a) // it is compared with what was seen of this number
	}
	return &preblockv1.GetPreblockResponse{Preblock: a.Preblock}, nil
}

// viaDSN is the error of a call that needed the DSN: the DSN's own error when the caller can act on it, and UNAVAILABLE
// otherwise.
func viaDSN(err error) error {
	switch status.Code(err) {
	case codes.NotFound, codes.Canceled:
		return err
	}
	return status.Error(codes.Unavailable, err.Error())
}

// GetStatus implements the service.
func (s *Service) GetStatus(context.Context, *preblockv1.GetStatusRequest) (*preblockv1.GetStatusResponse, error) {
	last, waiters, halted := s.Waiters.Status()
	waiting, accepted := s.Waiting()
	res := &preblockv1.GetStatusResponse{
		DsnConnected: s.Connected(), LastPreblockNumber: last, Waiters: uint32(waiters), DsnWaiting: waiting, DsnAcceptedNumber: accepted,
	}
	if halted != nil {
		res.Halted = halted.Error()
	}
	return res, nil
}
