// Package api serves blindseq.dsn.v1.SequencerService over the core. What each call promises is said in the proto file.
package api

import (
	"context"
	"errors"

	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/order"
	"blindseq/kit/content"
	"blindseq/kit/requestid"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/rules"

	"google.golang.org/grpc/codes"
)

var (
	errNumberZero   = errors.New("number 0 has no preblock, the first is 1")
	errNoKeyholders = errors.New("the sequencer has no keyholders: nothing is final before it is fixed")
)

// Errors maps the errors of the core to status codes.
func Errors() map[error]codes.Code {
	return map[error]codes.Code{
		errNumberZero:              codes.InvalidArgument,
		errNoKeyholders:            codes.Unimplemented,
		content.ErrMalformed:       codes.InvalidArgument,
		rules.ErrContent:           codes.InvalidArgument,
		rules.ErrClock:             codes.OutOfRange,
		requestid.ErrInvalid:       codes.InvalidArgument,
		content.ErrTooLarge:        codes.ResourceExhausted,
		core.ErrTooManySubscribers: codes.ResourceExhausted,
		order.ErrNotNext:           codes.FailedPrecondition,
		core.ErrNotFixed:           codes.NotFound,
		core.ErrNotHeld:            codes.NotFound,
		core.ErrStorage:            codes.Unavailable,
	}
}

// Core is what the service is served over.
type Core interface {
	Submit(ctx context.Context, p core.Proposal) (core.Answer, error)
	Preblock(number uint64) (*preblockv1.Preblock, error)
	Subscribe(from uint64) (*core.Subscription, error)
	SubscribeNew() (*core.Subscription, error)
	// Final is the newest content with sealed transactions that became final; changed is closed when there is another. It is nil
	// without keyholders.
	Final() (newest *preblockv1.Final, changed <-chan struct{})
	Last() uint64
	Accepted() uint64
	// Waiting says why no preblock can be fixed now, "" when nothing is in the way.
	Waiting() string
}

// Service is the gRPC service.
type Service struct {
	dsnv1.UnimplementedSequencerServiceServer
	core Core
}

// New returns the service over a core.
func New(c Core) *Service { return &Service{core: c} }

func (s *Service) SubmitProposal(ctx context.Context, r *dsnv1.SubmitProposalRequest) (*dsnv1.SubmitProposalResponse, error) {
	a, err := s.core.Submit(ctx, core.Proposal{Content: r.GetContent(), RequestID: r.GetRequestId(), Attempt: r.GetAttempt()})
	if err != nil {
		return nil, err
	}
	return &dsnv1.SubmitProposalResponse{ContentHash: a.ContentHash, RequestId: a.RequestID}, nil
}

func (s *Service) GetPreblock(_ context.Context, r *dsnv1.GetPreblockRequest) (*dsnv1.GetPreblockResponse, error) {
	if r.GetNumber() == 0 {
		return nil, errNumberZero
	}
	p, err := s.core.Preblock(r.GetNumber())
	if err != nil {
		return nil, err
	}
	return &dsnv1.GetPreblockResponse{Preblock: p}, nil
}

func (s *Service) StreamPreblocks(r *dsnv1.StreamPreblocksRequest, stream dsnv1.SequencerService_StreamPreblocksServer) error {
	if r.GetFromNumber() == 0 {
		return errNumberZero
	}
	sub, err := s.core.Subscribe(r.GetFromNumber())
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		p, err := sub.Next(stream.Context())
		if err != nil {
			return err
		}
		if err := stream.Send(&dsnv1.StreamPreblocksResponse{Preblock: p}); err != nil {
			return err
		}
	}
}

func (s *Service) StreamFinal(_ *dsnv1.StreamFinalRequest, stream dsnv1.SequencerService_StreamFinalServer) error {
	sub, err := s.core.SubscribeNew() // it counts as one
	if err != nil {
		return err
	}
	defer sub.Close()
	for sent := s.core.Last(); ; {
		newest, changed := s.core.Final()
		if changed == nil {
			return errNoKeyholders
		}
		if number := newest.GetContent().GetNumber(); number > sent {
			if err := stream.Send(&dsnv1.StreamFinalResponse{Final: newest}); err != nil {
				return err
			}
			sent = number
			continue
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return context.Cause(stream.Context())
		}
	}
}

func (s *Service) GetStatus(context.Context, *dsnv1.GetStatusRequest) (*dsnv1.GetStatusResponse, error) {
	return &dsnv1.GetStatusResponse{LastNumber: s.core.Last(), AcceptedNumber: s.core.Accepted(), Waiting: s.core.Waiting()}, nil
}
