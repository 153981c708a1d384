// Package api serves blindseq.keyholder.v1.KeyholderService over a voter. What each call promises is said in the
// proto file.
package api

import (
	"context"
	"errors"
	"fmt"

	"blindseq/dsn-node/keyholder/internal/voter"
	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
)

var (
	errNumberZero = errors.New("number 0 is never attested, the first is 1")
	errViewZero   = errors.New("every number begins in view 0, the first to go to is 1")
	errTooMany    = errors.New("too many numbers in one call")
	errHash       = errors.New("a hash must have 32 bytes")
)

// Errors maps the errors of a voter to status codes.
func Errors() map[error]codes.Code {
	return map[error]codes.Code{
		errNumberZero:           codes.InvalidArgument,
		errHash:                 codes.InvalidArgument,
		errTooMany:              codes.InvalidArgument,
		content.ErrMalformed:    codes.InvalidArgument,
		attest.ErrMalformed:     codes.InvalidArgument,
		rules.ErrContent:        codes.InvalidArgument,
		voter.ErrIndex:          codes.InvalidArgument,
		content.ErrTooLarge:     codes.ResourceExhausted,
		voter.ErrOtherCommittee: codes.FailedPrecondition,
		voter.ErrContentMissing: codes.FailedPrecondition,
		rules.ErrClock:          codes.FailedPrecondition,
		vote.ErrNotHeld:         codes.FailedPrecondition,
		vote.ErrPredecessor:     codes.FailedPrecondition,
		vote.ErrRestored:        codes.FailedPrecondition,
		vote.ErrReports:         codes.FailedPrecondition,
		vote.ErrLeft:            codes.PermissionDenied,
		vote.ErrFinal:           codes.FailedPrecondition,
		vote.ErrNotFinal:        codes.FailedPrecondition,
		vote.ErrView:            codes.FailedPrecondition,
		errViewZero:             codes.InvalidArgument,
		attest.ErrViewChange:    codes.PermissionDenied,
		attest.ErrProposal:      codes.PermissionDenied,
		attest.ErrCertificate:   codes.PermissionDenied,
		attest.ErrReport:        codes.PermissionDenied,
		vote.ErrOtherOrder:      codes.PermissionDenied,
		vote.ErrContradiction:   codes.PermissionDenied,
		voter.ErrBeforeFirst:    codes.NotFound,
		voter.ErrStorage:        codes.Unavailable,
		wal.ErrClosed:           codes.Unavailable,
		voter.ErrClosed:         codes.Unavailable,
	}
}

// Service is the gRPC service.
type Service struct {
	keyholderv1.UnimplementedKeyholderServiceServer
	voter *voter.Voter
}

// New returns the service over a voter.
func New(h *voter.Voter) *Service { return &Service{voter: h} }

func (s *Service) Attest(ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	if len(r.GetPreviousPayloadHash()) != 32 {
		return nil, fmt.Errorf("attest number %d: %w", r.GetContent().GetNumber(), errHash)
	}
	if err := s.ours(r.GetCommitteeHash()); err != nil {
		return nil, fmt.Errorf("attest number %d: %w", r.GetContent().GetNumber(), err)
	}
	a, err := s.voter.Attest(ctx, voter.Proposal{
		Content: r.GetContent(), Previous: common.Hash(r.GetPreviousPayloadHash()), View: r.GetView(), Signature: r.GetProposal(),
		Finality: r.GetFinality(), Changes: r.GetViewChanges(), Others: r.GetOthers(),
	})
	if err != nil {
		return nil, err
	}
	return &keyholderv1.AttestResponse{Attested: a.Attested, Refusal: a.Refusal, Certificate: a.Certificate, Lock: a.Lock}, nil
}

// ours checks that the caller means this keyholder's committee.
func (s *Service) ours(hash []byte) error {
	if len(hash) != 32 {
		return errHash
	}
	if common.Hash(hash) != s.voter.Committee() {
		return voter.ErrOtherCommittee
	}
	return nil
}

func (s *Service) Lock(ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	lock, err := s.voter.Lock(ctx, r.GetCertificate(), r.GetContent())
	if err != nil {
		return nil, err
	}
	return &keyholderv1.LockResponse{Lock: lock}, nil
}

func (s *Service) ReleaseShares(ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	shares, err := s.voter.Release(ctx, r.GetCertificate(), r.GetProven())
	if err != nil {
		return nil, err
	}
	return &keyholderv1.ReleaseSharesResponse{Shares: shares}, nil
}

func (s *Service) Adopt(ctx context.Context, r *keyholderv1.AdoptRequest) (*keyholderv1.AdoptResponse, error) {
	if n := len(r.GetFollowing()); n > maxFollowing {
		return nil, fmt.Errorf("adopt from number %d: %w: %d numbers follow, at most %d may", r.GetAdopted().GetContent().GetNumber(), errTooMany, n, maxFollowing)
	}
	if err := s.voter.Adopt(ctx, r.GetAdopted()); err != nil {
		return nil, err
	}
	last := r.GetAdopted().GetContent().GetNumber()
	for _, one := range r.GetFollowing() {
		if s.voter.Adopt(ctx, one) != nil {
			break // the sequencer gives this one again, as the first
		}
		last = one.GetContent().GetNumber()
	}
	return &keyholderv1.AdoptResponse{LastNumber: last}, nil
}

// maxFollowing bounds what is adopted in a call besides the first.
const maxFollowing = 256

func (s *Service) ChangeView(ctx context.Context, r *keyholderv1.ChangeViewRequest) (*keyholderv1.ChangeViewResponse, error) {
	err := s.ours(r.GetCommitteeHash())
	if err == nil && r.GetView() == 0 {
		err = errViewZero
	}
	if err != nil {
		return nil, fmt.Errorf("change view of number %d: %w", r.GetNumber(), err)
	}
	m, err := s.voter.ChangeView(ctx, r.GetNumber(), r.GetView())
	if err != nil {
		return nil, err
	}
	return &keyholderv1.ChangeViewResponse{ViewChange: m}, nil
}

func (s *Service) Report(ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error) {
	if len(r.GetChallenge()) != 32 {
		return nil, fmt.Errorf("report: %w", errHash)
	}
	if err := s.ours(r.GetCommitteeHash()); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	report, err := s.voter.Report(ctx, common.Hash(r.GetChallenge()))
	if err != nil {
		return nil, err
	}
	return &keyholderv1.ReportResponse{Report: report}, nil
}

func (s *Service) Restore(ctx context.Context, r *keyholderv1.RestoreRequest) (*keyholderv1.RestoreResponse, error) {
	from, err := s.voter.Restore(ctx, r.GetReports())
	if err != nil {
		return nil, err
	}
	return &keyholderv1.RestoreResponse{SignsFrom: from}, nil
}

func (s *Service) GetAttested(r *keyholderv1.GetAttestedRequest, stream keyholderv1.KeyholderService_GetAttestedServer) error {
	if r.GetFromNumber() == 0 {
		return errNumberZero
	}
	for number := r.GetFromNumber(); ; number++ {
		if err := stream.Context().Err(); err != nil {
			return context.Cause(stream.Context())
		}
		a, err := s.voter.Attested(number)
		if errors.Is(err, vote.ErrNotHeld) {
			return nil // the end
		}
		if err != nil {
			return err
		}
		if err := stream.Send(a); err != nil {
			return err
		}
	}
}

func (s *Service) GetStatus(context.Context, *keyholderv1.GetStatusRequest) (*keyholderv1.GetStatusResponse, error) {
	st := s.voter.Status()
	out := &keyholderv1.GetStatusResponse{
		Authority: uint32(st.Authority), Address: st.Address[:], CommitteeHash: st.Committee[:],
		LastNumber: st.Last, LastPayloadHash: st.Payload[:], SignsFrom: st.SignsFrom, ViewChange: st.Left,
	}
	if st.Challenge != nil {
		out.Challenge = st.Challenge[:]
	}
	return out, nil
}
