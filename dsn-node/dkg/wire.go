package dkg

import (
	"context"
	"fmt"

	"blindseq/dsn-node/dkg/internal/ceremony"
	dkgv1 "blindseq/proto/blindseq/dkg/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func codesOfErrors() map[error]codes.Code {
	return map[error]codes.Code{
		ceremony.ErrMalformed:     codes.InvalidArgument,
		ceremony.ErrNotSigned:     codes.InvalidArgument,
		ceremony.ErrOtherCeremony: codes.FailedPrecondition,
	}
}

// Deliver hands a message to the goroutine in decide and answers what the machine answers.
func (d *driver) Deliver(ctx context.Context, r *dkgv1.DeliverRequest) (*dkgv1.DeliverResponse, error) {
	msg, err := fromWire(r.GetMessage())
	if err != nil {
		return nil, err
	}
	answer := make(chan error, 1)
	select {
	case d.received <- received{msg, answer}:
		return &dkgv1.DeliverResponse{}, <-answer // given before anything else is done
	case <-d.ended:
		return nil, status.Error(codes.Unavailable, "the ceremony is over here")
	case <-ctx.Done():
		return nil, fmt.Errorf("deliver message: %w", ctx.Err())
	}
}

func fromWire(in *dkgv1.SignedMessage) (*ceremony.Message, error) {
	switch {
	case len(in.GetCeremonyId()) != common.HashLength, len(in.GetSignature()) != ceremony.SignatureSize:
		return nil, fmt.Errorf("%w: a ceremony id of %d bytes, a signature of %d", ceremony.ErrMalformed, len(in.GetCeremonyId()), len(in.GetSignature()))
	case in.GetSender() >= seal.MaxAuthorities, in.GetKind() < 0, in.GetKind() > 255:
		return nil, fmt.Errorf("%w: sender %d, kind %d", ceremony.ErrMalformed, in.GetSender(), in.GetKind())
	}
	return &ceremony.Message{
		Ceremony: common.Hash(in.GetCeremonyId()), Sender: uint8(in.GetSender()), Kind: ceremony.Kind(in.GetKind()),
		Payload: in.GetPayload(), Signature: ceremony.Signature(in.GetSignature()),
	}, nil
}

func toWire(m *ceremony.Message) *dkgv1.SignedMessage {
	return &dkgv1.SignedMessage{
		CeremonyId: m.Ceremony[:], Sender: uint32(m.Sender), Kind: dkgv1.MessageKind(m.Kind), Payload: m.Payload, Signature: m.Signature[:],
	}
}
