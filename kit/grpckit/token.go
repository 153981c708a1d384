package grpckit

import (
	"context"
	"strconv"

	"blindseq/kit/logs"
	"blindseq/kit/telemetry"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// tokenHeader carries the fencing token of the section a call is made in. It is for log lines alone: what decides is in
// the messages.
const tokenHeader = "blindseq-token"

// sendToken adds the context's token to a call, and the trace that it is part of.
func sendToken(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx = passTrace(ctx)
	if token, ok := logs.Token(ctx); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, tokenHeader, strconv.FormatUint(token, 10))
	}
	return call(ctx, method, req, reply, conn, options...)
}

// passTrace lets a trace of others go on through a process that sends none itself.
func passTrace(ctx context.Context) context.Context {
	if telemetry.On() || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	for name, value := range carrier {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	return ctx
}

// takeTrace puts the trace of a call into its context.
func takeTrace(ctx context.Context) context.Context {
	values := metadata.ValueFromIncomingContext(ctx, "traceparent")
	if telemetry.On() || len(values) != 1 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": values[0]})
}

// receiveToken puts a call's token into its context, and the trace that it is part of.
func receiveToken(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx = takeTrace(ctx)
	if values := metadata.ValueFromIncomingContext(ctx, tokenHeader); len(values) == 1 {
		if token, err := strconv.ParseUint(values[0], 10, 64); err == nil {
			ctx = logs.WithToken(ctx, token)
		}
	}
	return next(ctx, req)
}
