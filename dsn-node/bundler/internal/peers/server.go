package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/jsonrpc"
	bundlerv1 "blindseq/proto/blindseq/bundler/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Errors are the status codes of what the server returns.
func Errors() map[error]codes.Code {
	return map[error]codes.Code{
		errElsewhere: codes.FailedPrecondition, ErrAway: codes.Unavailable, rollup.ErrAway: codes.Unavailable, outbox.ErrStorage: codes.Unavailable,
		rollup.ErrNoObserver: codes.Unavailable,
	}
}

// Server is this bundler as the others see it.
type Server struct {
	bundlerv1.UnimplementedPeerServiceServer
	p       *Peers
	explain func(error) jsonrpc.Error // to a wallet
}

// Register serves the others. explain says why a transaction is not taken.
func (p *Peers) Register(to grpc.ServiceRegistrar, explain func(error) jsonrpc.Error) {
	bundlerv1.RegisterPeerServiceServer(to, &Server{p: p, explain: explain})
}

// Join says what is kept here of the accounts of another bundler.
func (s *Server) Join(_ context.Context, r *bundlerv1.JoinRequest) (*bundlerv1.JoinResponse, error) {
	if !bytes.Equal(r.GetListHash(), s.p.List.hash[:]) {
		return nil, status.Error(codes.FailedPrecondition, "this bundler has another list of peers")
	}
	caller := -1
	for i, m := range s.p.List.members {
		if m.name == r.GetName() {
			caller = i
		}
	}
	if caller < 0 || caller == s.p.List.self {
		return nil, status.Error(codes.InvalidArgument, "the caller is not in the list")
	}
	answer := &bundlerv1.JoinResponse{}
	for _, account := range s.p.Box.Kept() {
		if s.p.List.home(account) == caller {
			answer.Accounts = append(answer.Accounts, account[:])
		}
	}
	answer.Ordered = s.p.Box.LastOrdered() // after what is kept: what has left is ordered
	return answer, nil
}

// SendTransaction takes a transaction of another bundler's wallet.
func (s *Server) SendTransaction(ctx context.Context, r *bundlerv1.SendTransactionRequest) (*bundlerv1.SendTransactionResponse, error) {
	accounts, err := s.p.Local.Accounts(r.GetTransaction())
	if err != nil {
		return s.refusal(err), nil
	}
	home := s.p.List.home(accounts[0]) == s.p.List.self
	var hash common.Hash
	switch {
	case r.GetHeld() && !home:
		hash, err = s.p.Local.SendHeld(ctx, r.GetTransaction())
	case home && !r.GetHeld():
		if err = s.p.together(accounts); err == nil {
			hash, err = s.p.sendHome(ctx, r.GetTransaction(), accounts)
		}
	default:
		err = errElsewhere
	}
	switch {
	case err == nil:
		return &bundlerv1.SendTransactionResponse{Result: &bundlerv1.SendTransactionResponse_Hash{Hash: hash[:]}}, nil
	case errors.Is(err, bundling.ErrNothingKept):
		return &bundlerv1.SendTransactionResponse{Result: &bundlerv1.SendTransactionResponse_NothingKept{NothingKept: s.nothing()}}, nil
	case errors.Is(err, errElsewhere), errors.Is(err, ErrAway):
		return nil, err
	}
	return s.refusal(err), nil
}

func (s *Server) nothing() *bundlerv1.NothingKept {
	return &bundlerv1.NothingKept{Ordered: s.p.Box.LastOrdered()}
}

func (s *Server) refusal(err error) *bundlerv1.SendTransactionResponse {
	said := s.explain(err)
	r := &bundlerv1.Refusal{Code: int64(said.Code), Message: said.Message}
	if said.Data != nil {
		if data, err := json.Marshal(said.Data); err == nil {
			r.Data = string(data)
		}
	}
	return &bundlerv1.SendTransactionResponse{Result: &bundlerv1.SendTransactionResponse_Refusal{Refusal: r}}
}

// GetNextNonce answers for an account.
func (s *Server) GetNextNonce(ctx context.Context, r *bundlerv1.GetNextNonceRequest) (*bundlerv1.GetNextNonceResponse, error) {
	if len(r.GetAccount()) != common.AddressLength {
		return nil, status.Error(codes.InvalidArgument, "the account has not 20 bytes")
	}
	account := common.BytesToAddress(r.GetAccount())
	home := s.p.List.home(account) == s.p.List.self
	var nonce uint64
	var err error
	switch {
	case home == r.GetHeld():
		err = errElsewhere
	case home:
		nonce, err = s.p.nextNonceHome(ctx, account)
	case !s.p.Box.Keeps(account):
		return &bundlerv1.GetNextNonceResponse{Result: &bundlerv1.GetNextNonceResponse_NothingKept{NothingKept: s.nothing()}}, nil
	default:
		nonce, err = s.p.Local.NextNonce(ctx, account)
	}
	if err != nil {
		return nil, err
	}
	return &bundlerv1.GetNextNonceResponse{Result: &bundlerv1.GetNextNonceResponse_Nonce{Nonce: nonce}}, nil
}

// FindTransaction says where a transaction is, if it is here.
func (s *Server) FindTransaction(ctx context.Context, r *bundlerv1.FindTransactionRequest) (*bundlerv1.FindTransactionResponse, error) {
	if len(r.GetHash()) != common.HashLength {
		return nil, status.Error(codes.InvalidArgument, "the hash has not 32 bytes")
	}
	found, err := s.p.Local.Look(ctx, common.BytesToHash(r.GetHash()), r.GetPlaced())
	if err != nil {
		return nil, err
	}
	places := map[bundling.Place]bundlerv1.Place{
		bundling.Queued: bundlerv1.Place_PLACE_QUEUED, bundling.Hidden: bundlerv1.Place_PLACE_SEALED,
		bundling.Public: bundlerv1.Place_PLACE_FIXED, bundling.Ended: bundlerv1.Place_PLACE_ENDED,
	}
	return &bundlerv1.FindTransactionResponse{Place: places[found.At], Id: found.ID[:], Reason: found.Reason, Transaction: found.Raw}, nil
}

// Follow says how far a transaction is here.
func (s *Server) Follow(r *bundlerv1.FollowRequest, stream grpc.ServerStreamingServer[bundlerv1.FollowResponse]) error {
	if len(r.GetHash()) != common.HashLength {
		return status.Error(codes.InvalidArgument, "the hash has not 32 bytes")
	}
	hash := common.BytesToHash(r.GetHash())
	changes, forget := s.p.Local.Watch(hash)
	defer forget()
	for {
		changed := changes()
		at := s.p.Local.Standing(hash)
		said := &bundlerv1.FollowResponse{Queued: at.Queued, Accepted: at.Accepted, Ended: at.Ended, Reason: at.Reason}
		if at.ID != (common.Hash{}) {
			said.Id = at.ID[:]
		}
		if err := stream.Send(said); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
