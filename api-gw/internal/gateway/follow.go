package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"blindseq/kit/retry"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// followFor is how long a transaction is followed without a producer that leads, before its follower is told to try again.
const followFor = time.Minute

// FollowTransaction sends the steps of a transaction, each once: also when another producer begins to lead, which tells all of them
// anew.
func (s *Server) FollowTransaction(r *gatewayv1.FollowTransactionRequest, out grpc.ServerStreamingServer[gatewayv1.FollowTransactionResponse]) error {
	hash, err := ParseHash(r.GetHash())
	if err != nil {
		return err
	}
	return s.Follow(out.Context(), hash, 0, func(step *gatewayv1.TransactionStep) error {
		return out.Send(&gatewayv1.FollowTransactionResponse{Step: step})
	})
}

// ParseHash reads the hash of a transaction, or the id of a sealed one.
func ParseHash(text string) ([]byte, error) {
	digits, prefixed := strings.CutPrefix(text, "0x")
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != 32 || !prefixed {
		return nil, Invalid("hash", "must be 0x and 64 hex digits")
	}
	return hash, nil
}

// Follow is FollowTransaction for whoever has been told the first steps before. It returns nil after the last one.
func (s *Server) Follow(ctx context.Context, hash []byte, told Progress, send func(*gatewayv1.TransactionStep) error) error {
	f := follower{s: s, hash: hash, told: told, send: send}
	pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
	for since := time.Now(); !f.told.Last(); {
		began := time.Now()
		err := f.once(ctx)
		if err == nil {
			continue
		}
		if time.Since(began) > time.Second { // it was followed: an attempt fails at once, or within a connect's timeout
			pause.Reset()
			since = time.Now()
		}
		if !mayFollowAgain(ctx, err) || time.Since(since) > followFor || pause.Wait(ctx) != nil {
			return failed(ctx, "follow transaction "+hexBytes(hash), err)
		}
	}
	return nil
}

// mayFollowAgain says whether another attempt may succeed, at another producer or later.
func mayFollowAgain(ctx context.Context, err error) bool {
	switch code := status.Code(err); {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, ErrNoLeader), errors.Is(err, io.EOF):
		return true
	default:
		return code == codes.Unavailable || code == codes.Canceled
	}
}

// follower follows one transaction for one caller.
type follower struct {
	s    *Server
	hash []byte
	told Progress
	send func(*gatewayv1.TransactionStep) error
}

// once follows at the producer that leads, until the last step or until that breaks.
func (f *follower) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := f.s.backends.Producer.FollowTransaction(ctx, &blueprintv1.FollowTransactionRequest{Hash: f.hash})
	if err != nil {
		return err
	}
	for !f.told.Last() {
		answer, err := in.Recv()
		if err != nil {
			return err
		}
		at := progressOf(answer.GetStep().GetKind())
		if at <= f.told {
			continue
		}
		if err := f.send(transactionStep(answer.GetStep())); err != nil {
			return status.Errorf(codes.Aborted, "send step: %v", err) // the caller has gone
		}
		f.told = at
	}
	return nil
}

// Progress is how far a transaction has come: the steps up to here were told.
type Progress int

const lastStep = Progress(blueprintv1.StepKind_STEP_KIND_EXECUTED)

// Last says whether no step follows.
func (p Progress) Last() bool { return p >= lastStep }

// ProgressOf is the progress with a step of a name; 0 for no such step.
func ProgressOf(step string) Progress {
	return progressOf(blueprintv1.StepKind(blueprintv1.StepKind_value["STEP_KIND_"+strings.ToUpper(step)]))
}

// progressOf counts the two first steps as one, and the two last.
func progressOf(k blueprintv1.StepKind) Progress {
	switch k {
	case blueprintv1.StepKind_STEP_KIND_PENDING:
		return Progress(blueprintv1.StepKind_STEP_KIND_SEALED)
	case blueprintv1.StepKind_STEP_KIND_ENDED:
		return lastStep
	}
	return Progress(k)
}

func transactionStep(s *blueprintv1.TransactionStep) *gatewayv1.TransactionStep {
	out := &gatewayv1.TransactionStep{
		Step: enumName(s.GetKind().String(), "STEP_KIND_"), Number: s.GetNumber(), TransactionHash: hexBytes(s.GetTransactionHash()),
		Index: s.GetIndex(), Reason: s.GetReason(), Barred: s.GetBarred(), Position: s.GetPosition(),
	}
	if f := s.GetFinal(); f != nil {
		out.Preblock = preblock(&preblockv1.Preblock{Content: f.GetContent(), ContentHash: f.GetContentHash(), Certificate: f.GetCertificate()})
	}
	return out
}
