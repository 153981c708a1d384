package dsntest

import (
	"context"

	dsnv1 "blindseq/proto/blindseq/dsn/v1"

	"google.golang.org/grpc"
)

// Client calls a DSN without a connection, for tests in fake time. It has no streams.
type Client struct{ *DSN }

// SubmitProposal calls the service.
func (c Client) SubmitProposal(ctx context.Context, r *dsnv1.SubmitProposalRequest, _ ...grpc.CallOption) (*dsnv1.SubmitProposalResponse, error) {
	return c.DSN.SubmitProposal(ctx, r)
}

// GetPreblock calls the service.
func (c Client) GetPreblock(ctx context.Context, r *dsnv1.GetPreblockRequest, _ ...grpc.CallOption) (*dsnv1.GetPreblockResponse, error) {
	return c.DSN.GetPreblock(ctx, r)
}

// GetStatus calls the service.
func (c Client) GetStatus(ctx context.Context, r *dsnv1.GetStatusRequest, _ ...grpc.CallOption) (*dsnv1.GetStatusResponse, error) {
	return c.DSN.GetStatus(ctx, r)
}
