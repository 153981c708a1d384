package sections

import (
	"context"

	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
)

// Lock is the consumption lock.
type Lock interface {
	// Acquire waits until the lock is held. Those with priority go first.
	Acquire(ctx context.Context, priority bool) (Held, error)
}

// Held is a lock that is held; kit/lock's is one.
type Held interface {
	// Context is a child of the one given to Acquire. It ends before anyone else can have the lock.
	Context() context.Context
	// Check is nil while the lock is held, by the clock.
	Check() error
	Token() uint64
	Holder() string
	// Release also when ctx has ended, in a bounded time.
	Release(ctx context.Context) error
}

// Proposer is the part of the proposer's API a section needs; its gRPC client is one.
type Proposer interface {
	RequestProposal(context.Context, *proposalv1.RequestProposalRequest, ...grpc.CallOption) (*proposalv1.RequestProposalResponse, error)
	NotifyProcessed(context.Context, *proposalv1.NotifyProcessedRequest, ...grpc.CallOption) (*proposalv1.NotifyProcessedResponse, error)
}

// Monitor is the part of the monitor's API a section needs; its gRPC client is one.
type Monitor interface {
	Next(context.Context, *preblockv1.NextRequest, ...grpc.CallOption) (*preblockv1.NextResponse, error)
	GetPreblock(context.Context, *preblockv1.GetPreblockRequest, ...grpc.CallOption) (*preblockv1.GetPreblockResponse, error)
}

// Engine makes decided blocks; package engine has it. Its errors are *engine.Error.
type Engine interface {
	Head() section.Head
	Append(p *preblockv1.Preblock, t engine.Turn) (*blueprintv1.LogRecord, error)
	Apply(ctx context.Context, rec *blueprintv1.LogRecord) (section.Block, error)
	Publish(number uint64)
	// Known finds the applied block that a request gave.
	Known(requestID string) (section.Block, bool)
	// RequestOf is the request that a blueprint answered; empty when there was none.
	RequestOf(number uint64) string
}
