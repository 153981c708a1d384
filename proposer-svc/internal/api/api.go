// Package api serves the proposer over gRPC. Every replica answers: what is asked about is in Redis.
package api

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/content"
	"blindseq/kit/requestid"
	"blindseq/proposer-svc/queue"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ErrBadRequest is wrapped by what is wrong with a call's arguments.
var ErrBadRequest = errors.New("bad request")

const maxTrace = 256

// Queue is the FIFO of requests.
type Queue interface {
	Apply(context.Context, queue.Event) (queue.Request, error)
	View(context.Context) (queue.State, error)
	Refresh()
	List(ctx context.Context, recent int) (waiting, processed []queue.Request, err error)
}

// Service implements proposalv1.ProposerServiceServer.
type Service struct {
	proposalv1.UnimplementedProposerServiceServer
	queue  Queue
	active func() bool
}

// New returns the service of one replica; active says whether it is the one that submits.
func New(q Queue, active func() bool) *Service { return &Service{queue: q, active: active} }

// RequestProposal implements the service.
func (s *Service) RequestProposal(ctx context.Context, req *proposalv1.RequestProposalRequest) (*proposalv1.RequestProposalResponse, error) {
	if err := requestid.Valid(req.GetRequestId()); err != nil {
		return nil, fmt.Errorf("request proposal: %w", err)
	}
	if err := content.CheckTimestamp(req.GetTimestamp()); err != nil {
		return nil, fmt.Errorf("request proposal %s: %w: %w", req.GetRequestId(), ErrBadRequest, err)
	}
	// gofail: var requestEnqueuing struct{}
	r, err := s.queue.Apply(ctx, queue.Enqueue{Request: queue.Request{
		ID: req.GetRequestId(), Timestamp: req.GetTimestamp().GetSeconds(), Force: req.GetForce(),
		WithDelayed: req.GetWithDelayedTransactions(), Token: req.GetToken(), Trace: traceparent(ctx),
	}})
	if err != nil {
		return nil, err
	}
	// gofail: var requestEnqueued struct{}
	return &proposalv1.RequestProposalResponse{State: state(r)}, nil
}

// traceparent is the trace of the caller's call; the submission to the DSN continues it.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if t := carrier["traceparent"]; len(t) <= maxTrace {
		return t
	}
	return ""
}

// NotifyProcessed implements the service.
func (s *Service) NotifyProcessed(ctx context.Context, req *proposalv1.NotifyProcessedRequest) (*proposalv1.NotifyProcessedResponse, error) {
	if id := req.GetRequestId(); id != "" {
		if err := requestid.Valid(id); err != nil {
			return nil, fmt.Errorf("notify processed %d: %w", req.GetNumber(), err)
		}
	}
	// gofail: var processedRecording struct{}
	if _, err := s.queue.Apply(ctx, queue.Applied{ID: req.GetRequestId(), Number: req.GetNumber()}); err != nil {
		return nil, err
	}
	// gofail: var processedRecorded struct{}
	return &proposalv1.NotifyProcessedResponse{}, nil
}

// GetStatus implements the service.
func (s *Service) GetStatus(ctx context.Context, _ *proposalv1.GetStatusRequest) (*proposalv1.GetStatusResponse, error) {
	s.queue.Refresh()
	v, err := s.queue.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("get status: %w", err)
	}
	res := &proposalv1.GetStatusResponse{Queued: uint32(v.Queued), Active: s.active()}
	switch {
	case v.Current == nil:
	case state(*v.Current) == proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT:
		res.InFlight = toProto(*v.Current)
	default:
		res.Queued++ // it is ending, and was not proposed
	}
	return res, nil
}

func toProto(r queue.Request) *proposalv1.Request {
	return &proposalv1.Request{
		RequestId: r.ID, Timestamp: &timestamppb.Timestamp{Seconds: r.Timestamp}, Force: r.Force,
		WithDelayedTransactions: r.WithDelayed, Token: r.Token, State: state(r), Number: r.Number, Attempt: r.Attempt,
		ContentHash: r.ContentHash, NoPreblockReason: preblockv1.NoPreblockReason(r.Reason),
	}
}

// state is what callers see. It never goes back: a request that is ending after its proposal was refused stays in flight until it has ended.
func state(r queue.Request) proposalv1.RequestState {
	switch {
	case r.Phase == queue.InFlight, r.Phase == queue.Ending && r.Number != 0:
		return proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT
	case r.Phase == queue.Queued, r.Phase == queue.Ending:
		return proposalv1.RequestState_REQUEST_STATE_QUEUED
	case r.Phase == queue.Processed:
		return proposalv1.RequestState_REQUEST_STATE_PROCESSED
	}
	return proposalv1.RequestState_REQUEST_STATE_UNSPECIFIED
}
