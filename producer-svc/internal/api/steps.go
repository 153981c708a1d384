package api

import (
	"context"
	"fmt"

	"blindseq/producer-svc/internal/steps"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
)

// Leadership is who leads: package leading's Stance.
type Leadership interface {
	Leads() bool
	// Changed returns a channel that is closed when that may have changed.
	Changed() <-chan struct{}
}

// Follow sends the steps of a transaction; package steps has it.
type Follow func(ctx context.Context, hash common.Hash, send func(*blueprintv1.TransactionStep) error) error

// FollowTransaction implements the contract.
func (p *Producer) FollowTransaction(r *blueprintv1.FollowTransactionRequest, out grpc.ServerStreamingServer[blueprintv1.FollowTransactionResponse]) error {
	if len(r.GetHash()) != common.HashLength {
		return fmt.Errorf("follow transaction: %w: hash of %d bytes, must be 32", ErrBadRequest, len(r.GetHash()))
	}
	ctx, cancel := context.WithCancelCause(out.Context())
	defer cancel(nil)
	go p.untilCeded(ctx, cancel)
	return p.Follow(ctx, common.Hash(r.GetHash()), func(one *blueprintv1.TransactionStep) error {
		return out.Send(&blueprintv1.FollowTransactionResponse{Step: steps.Short(one)})
	})
}

// untilCeded cancels when this replica does not lead: a transaction that is accepted or ends is known at the leader first.
func (p *Producer) untilCeded(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		changed := p.Leadership.Changed()
		if !p.Leadership.Leads() {
			cancel(ErrNotLeading)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
