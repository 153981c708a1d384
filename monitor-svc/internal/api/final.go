package api

import (
	"context"
	"errors"
	"fmt"

	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// ErrNoCommittee says that nothing is final before it is fixed.
var ErrNoCommittee = errors.New("there is no committee: nothing is final before it is fixed")

// Finals is where contents come from that are final and not opened yet.
type Finals interface {
	StreamFinal(context.Context, *dsnv1.StreamFinalRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[dsnv1.StreamFinalResponse], error)
}

// StreamFinal implements the service. Each subscriber has a stream of its own from the DSN, for as long as it lasts: nobody pays for
// what nobody follows.
func (s *Service) StreamFinal(_ *preblockv1.StreamFinalRequest, out grpc.ServerStreamingServer[preblockv1.StreamFinalResponse]) error {
	if s.CheckFinal == nil {
		return ErrNoCommittee
	}
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	in, err := s.Finals.StreamFinal(ctx, &dsnv1.StreamFinalRequest{})
	if err != nil {
		return viaDSN(err)
	}
	for {
		answer, err := in.Recv()
		if err != nil {
			if ended := context.Cause(out.Context()); ended != nil {
				return ended
			}
			return viaDSN(err)
		}
		if err := s.CheckFinal(ctx, answer.GetFinal()); err != nil {
			return viaDSN(fmt.Errorf("stream final: %w", err))
		}
		if err := out.Send(&preblockv1.StreamFinalResponse{Final: answer.GetFinal()}); err != nil {
			return err
		}
	}
}
