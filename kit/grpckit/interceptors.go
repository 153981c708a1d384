package grpckit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// statusError is what a gRPC call returns.
type statusError interface {
	error
	GRPCStatus() *status.Status
}

// asStatus turns an error of the domain into a status: what it already is, what the map says, the context's end, or
// INTERNAL.
func asStatus(err error, known map[error]codes.Code) error {
	if err == nil {
		return nil
	}
	var inner statusError
	if errors.As(err, &inner) {
		// A wrapped status keeps its code and gains the text around it.
		return status.Error(inner.GRPCStatus().Code(), strings.ReplaceAll(err.Error(), inner.Error(), inner.GRPCStatus().Message()))
	}
	for sentinel, code := range known {
		if errors.Is(err, sentinel) {
			return status.Error(code, err.Error())
		}
	}
	switch {
	case errors.Is(err, errStopping):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

func statusUnary(cfg ServerConfig) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		res, err := next(ctx, req)
		return res, logged(ctx, cfg.Log, info.FullMethod, asStatus(err, cfg.Errors))
	}
}

func statusStream(cfg ServerConfig) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return logged(stream.Context(), cfg.Log, info.FullMethod, asStatus(next(srv, stream), cfg.Errors))
	}
}

// logged writes an error line for what no mapping foresaw, and a debug line for any other refusal.
func logged(ctx context.Context, log *slog.Logger, method string, err error) error {
	switch status.Code(err) {
	case codes.OK:
	case codes.Internal, codes.Unknown:
		log.ErrorContext(ctx, "call failed", "method", method, "error", err)
	default:
		log.DebugContext(ctx, "call refused", "method", method, "error", err)
	}
	return err
}

// panicked is what a handler's panic becomes: the client learns nothing of it, the operator everything.
func panicked(ctx context.Context, log *slog.Logger, p any) error {
	log.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error; the server's log says which")
}

func recoverUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = panicked(ctx, log, p)
			}
		}()
		return next(ctx, req)
	}
}

func recoverStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = panicked(stream.Context(), log, p)
			}
		}()
		return next(srv, stream)
	}
}

// endWithServer ends the context of a stream when the server stops.
func (s *Server) endWithServer(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.streams, func() { cancel(context.Cause(s.streams)) })()
	err := next(srv, endingStream{stream, ctx})
	if errors.Is(context.Cause(ctx), errStopping) {
		return status.Error(codes.Unavailable, errStopping.Error())
	}
	return err
}

type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s endingStream) Context() context.Context { return s.ctx }

type serverMetrics struct {
	seconds *prometheus.HistogramVec
}

func newServerMetrics(reg *prometheus.Registry) serverMetrics {
	m := serverMetrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "blindseq_grpc_server_seconds",
		Help:    "Duration of served gRPC calls, by method and status code. A stream counts when it ends.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "code"})}
	if reg != nil {
		reg.MustRegister(m.seconds)
	}
	return m
}

func (m serverMetrics) observe(method string, start time.Time, err error) {
	m.seconds.WithLabelValues(method, status.Code(err).String()).Observe(time.Since(start).Seconds())
}

func (m serverMetrics) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := time.Now()
	res, err := next(ctx, req)
	m.observe(info.FullMethod, start, err)
	return res, err
}

func (m serverMetrics) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, stream)
	m.observe(info.FullMethod, start, err)
	return err
}
