package grpckit

import (
	"context"
	"fmt"

	"blindseq/kit/roles"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Refusals counts the calls that were refused for their caller's role. It is one for all servers of a process.
func Refusals() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "blindseq_refused_calls_total",
		Help: "Calls refused because the role of the caller's certificate may not make them, by method and role. Role none is a common name that belongs to no service.",
	}, []string{"method", "role"})
}

// guard lets through only what the table of roles allows.
type guard struct{ refused *prometheus.CounterVec }

func (g guard) check(ctx context.Context, method string) error {
	role := roleOf(ctx)
	if roles.May(role, method) {
		return nil
	}
	if g.refused != nil {
		g.refused.WithLabelValues(method, string(role)).Inc()
	}
	return status.Error(codes.PermissionDenied, fmt.Sprintf("role %s may not call %s; the role follows from the common name of the caller's certificate", role, method))
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := g.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (g guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := g.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return next(srv, stream)
}
