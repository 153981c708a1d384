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

// watch is around every handler of a server.
type watch struct {
	log     *slog.Logger
	errors  map[error]codes.Code
	seconds *prometheus.HistogramVec
}

// call runs a handler: its panic and its error become a status, which is logged, and its time is measured.
func (w watch) call(ctx context.Context, method string, handle func() error) (err error) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(ctx, w.log, p)
		}
		err = logged(ctx, w.log, method, asStatus(err, w.errors))
		w.seconds.WithLabelValues(method, status.Code(err).String()).Observe(time.Since(start).Seconds())
	}()
	return handle()
}

func (w watch) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	err = w.call(ctx, info.FullMethod, func() error {
		res, err = next(ctx, req)
		return err
	})
	return res, err
}

func (w watch) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return w.call(stream.Context(), info.FullMethod, func() error { return next(srv, stream) })
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

func newWatch(cfg ServerConfig) watch {
	w := watch{log: cfg.Log, errors: cfg.Errors, seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "blindseq_grpc_server_seconds",
		Help:    "Duration of served gRPC calls, by method and status code. A stream counts when it ends.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "code"})}
	if cfg.Registry != nil {
		cfg.Registry.MustRegister(w.seconds)
	}
	return w
}
