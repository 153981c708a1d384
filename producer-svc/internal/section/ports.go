package section

import (
	"context"

	"blindseq/kit/content"
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

// Log is the blueprint log.
type Log interface {
	// Append makes a record durable and returns what the log holds for its number: rec, or the same content stored
	// earlier. Its error is ErrStale when another holder of the lock has written since, ErrStorage when the disk failed;
	// any other is an alarm.
	Append(rec *blueprintv1.LogRecord, head content.Hash) (*blueprintv1.LogRecord, error)
	// ByRequest finds the blueprint that answered a request.
	ByRequest(id string) (*blueprintv1.LogRecord, bool)
	// RequestOf is the request that a blueprint answered; empty when there was none.
	RequestOf(number uint64) string
}

// Chain executes blueprints.
type Chain interface {
	Head() Head
	// Apply executes a record; a repeat gives the same. Its error is ErrStorage when the disk failed.
	Apply(ctx context.Context, rec *blueprintv1.LogRecord) (Block, error)
	// BlockHash is the hash of an applied block.
	BlockHash(number uint64) (content.Hash, bool)
}

// Delayed finds delayed transactions by hash.
type Delayed interface {
	Raw(hash content.Hash) (raw []byte, ok bool, err error)
}

// Publisher is told of each applied block.
type Publisher interface {
	Publish(number uint64)
}
