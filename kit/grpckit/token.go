package grpckit

import (
	"context"
	"strconv"

	"blindseq/kit/logs"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// tokenHeader carries the fencing token of the section a call is made in. It is for log lines alone: what decides is in
// the messages.
const tokenHeader = "blindseq-token"

// sendToken adds the context's token to a call.
func sendToken(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if token, ok := logs.Token(ctx); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, tokenHeader, strconv.FormatUint(token, 10))
	}
	return call(ctx, method, req, reply, conn, options...)
}

// receiveToken puts a call's token into its context.
func receiveToken(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if values := metadata.ValueFromIncomingContext(ctx, tokenHeader); len(values) == 1 {
		if token, err := strconv.ParseUint(values[0], 10, 64); err == nil {
			ctx = logs.WithToken(ctx, token)
		}
	}
	return next(ctx, req)
}
