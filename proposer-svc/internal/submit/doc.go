// Package submit performs a term of the active proposer: it does what package term says against the FIFO, the leading
// producer, the DSN and the monitor.
//
// Guarantees: a failed step is retried after a growing pause, for as long as the lease is held. Nothing is polled: the loop
// sleeps until it is woken or a deadline passes, and deadlines are on the monotonic clock of this process.
package submit

import (
	"context"
	"time"

	"blindseq/kit/retry"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// Queue is the FIFO of requests.
type Queue interface {
	View(context.Context) (queue.State, error)
	Apply(context.Context, queue.Event) (queue.Request, error)
	Refresh()
	Wake() <-chan struct{}
}

// Producer is the leading producer.
type Producer interface {
	GetProposalContent(context.Context, *blueprintv1.GetProposalContentRequest, ...grpc.CallOption) (*blueprintv1.GetProposalContentResponse, error)
}

// DSN fixes one content for a number.
type DSN interface {
	SubmitProposal(context.Context, *dsnv1.SubmitProposalRequest, ...grpc.CallOption) (*dsnv1.SubmitProposalResponse, error)
	GetPreblock(context.Context, *dsnv1.GetPreblockRequest, ...grpc.CallOption) (*dsnv1.GetPreblockResponse, error)
	GetStatus(context.Context, *dsnv1.GetStatusRequest, ...grpc.CallOption) (*dsnv1.GetStatusResponse, error)
}

// Monitor answers the caller that waits for a request's event.
type Monitor interface {
	NotifyNoPreblock(context.Context, *preblockv1.NotifyNoPreblockRequest, ...grpc.CallOption) (*preblockv1.NotifyNoPreblockResponse, error)
}

// Observer counts what happens, for metrics.
type Observer interface {
	// Leading says whether this replica is the active one.
	Leading(bool)
	// Submitted is called after each submission: from the request's turn, or its deadline, to the DSN's answer.
	Submitted(attempt uint32, took time.Duration)
	// Displaced is called when the DSN answers that another content is fixed for the number.
	Displaced()
	// Declined is called when a request has ended without a preblock.
	Declined(preblockv1.NoPreblockReason)
	// Failed is called for each step that failed and will be retried.
	Failed(step string)
}

// Config holds the deadlines.
type Config struct {
	AttemptTimeout time.Duration // from a submission to the question whether the DSN has a preblock
	CallTimeout    time.Duration // of one call to another service
	Retry          retry.Policy  // of a step that fails
}
