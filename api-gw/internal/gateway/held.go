package gateway

import (
	"context"
	"errors"
	"time"

	"blindseq/api-gw/internal/hold"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Lines are where calls to the services wait while they cannot be served. Without a line, a call is made once.
type Lines struct{ Leader, Proposer, Monitor *hold.Line }

// ErrNoLeader is the error (UNAVAILABLE) of a call while no leading producer is known.
var ErrNoLeader = noLeader{}

type noLeader struct{}

func (noLeader) Error() string { return "no leading producer is known" }

func (e noLeader) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// held makes a call, and retries it while it cannot be served. limit is the timeout of each attempt.
func held[Q, A any](ctx context.Context, line *hold.Line, limit time.Duration, call func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) (answer A, err error) {
	err = line.Do(ctx, func(ctx context.Context) (err error) {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer, err = call(limited, request)
		return classify(limited, err)
	})
	return answer, err
}

// classify separates errors that are worth a retry, elsewhere or later, from final answers. A producer that does not lead
// and a service that is down return UNAVAILABLE; a call in progress when a server stops may also return CANCELED. All other
// errors, halted production included, are the same at every replica.
func classify(ctx context.Context, err error) error {
	switch code := status.Code(err); {
	case errors.Is(err, ErrNoLeader):
		return hold.Again(hold.NoLeader, err)
	case code == codes.Unavailable, code == codes.Canceled && ctx.Err() == nil:
		return hold.Again(hold.Unavailable, err)
	}
	return err
}

// failed returns the error for the caller when a service failed. Codes about the gateway's own relation to that service (its
// certificate, a version mismatch) would mislead the caller and become INTERNAL.
func failed(ctx context.Context, action string, err error) error {
	note := ""
	if gaveUp := new(hold.GaveUp); errors.As(err, &gaveUp) {
		err, note = gaveUp.Err, gaveUp.Note()
	}
	s := status.Convert(err)
	code := s.Code()
	switch code {
	case codes.Canceled:
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return status.Errorf(codes.Unavailable, "%s: %v", action, cause)
		}
		if note != "" {
			code = codes.Unavailable
		}
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.Unknown:
		code = codes.Internal
	}
	return status.Errorf(code, "%s: %s%s", action, s.Message(), note)
}
