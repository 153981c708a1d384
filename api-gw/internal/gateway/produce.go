package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/idempotency"
	"blindseq/kit/logs"
	"blindseq/kit/requestid"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// IdempotencyKey is the metadata (and, with its usual capitals, the HTTP header) that makes a repeat harmless.
const IdempotencyKey = "idempotency-key"

// ProduceBlock makes one block now. The request id is the caller's idempotency key, else chosen here, so that an
// error can name the id with which a repeat is safe.
func (s *Server) ProduceBlock(ctx context.Context, r *gatewayv1.ProduceBlockRequest) (*gatewayv1.ProduceBlockResponse, error) {
	id, chosen, err := requestID(ctx)
	if err != nil {
		return nil, err
	}
	at, err := wholeSeconds(r.GetTimestamp())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(logs.With(ctx, slog.String("request_id", id)), s.timeouts.Produce)
	defer cancel()
	call := s.produce
	if chosen {
		call = s.bound
	}
	res, err := held(ctx, s.lines.Leader, s.timeouts.Produce, call, &blueprintv1.ProduceBlockRequest{
		RequestId: id, Timestamp: at, WithDelayedTransactions: r.WithDelayedTransactions,
	})
	if err != nil {
		if gaveUp := new(hold.GaveUp); errors.As(err, &gaveUp) {
			s.log.WarnContext(ctx, "produce_block timed out while held", "repeats", gaveUp.Repeats, "held", gaveUp.After, "error", gaveUp.Err)
		}
		return nil, failed(ctx, fmt.Sprintf("produce block (request %s)", id), err)
	}
	s.note(ctx, res)
	// gofail: var produceAnswering struct{}
	return produced(res), nil
}

// produce asks the leading producer. It may be asked again, or another one, with the same request id: it joins the one that
// runs, and a block that the request gave is found by its id in every producer's blueprint log.
func (s *Server) produce(ctx context.Context, r *blueprintv1.ProduceBlockRequest, o ...grpc.CallOption) (*blueprintv1.ProduceBlockResponse, error) {
	// gofail: var produceForwarding struct{}
	return s.backends.Producer.ProduceBlock(ctx, r, o...)
}

// bound is produce for a key that the caller chose: the key is for one body. While Redis cannot say which one, the producer alone
// refuses what it can tell.
func (s *Server) bound(ctx context.Context, r *blueprintv1.ProduceBlockRequest, o ...grpc.CallOption) (*blueprintv1.ProduceBlockResponse, error) {
	if s.backends.Bind != nil {
		if err := s.backends.Bind(ctx, r.GetRequestId(), body(r)); errors.Is(err, idempotency.ErrOtherBody) {
			return nil, status.Error(codes.AlreadyExists, err.Error())
		}
	}
	return s.produce(ctx, r, o...)
}

// body is what a request asks for, the same for every way to write it.
func body(r *blueprintv1.ProduceBlockRequest) string {
	at := "now"
	if r.GetTimestamp() != nil {
		at = strconv.FormatInt(r.GetTimestamp().GetSeconds(), 10)
	}
	return fmt.Sprintf("timestamp=%s delayed=%t", at, r.WithDelayedTransactions == nil || r.GetWithDelayedTransactions())
}

// note logs the line by which an operator follows a request.
func (s *Server) note(ctx context.Context, res *blueprintv1.ProduceBlockResponse) {
	if no := res.GetNoPreblock(); no != nil {
		s.log.InfoContext(ctx, "produce_block made no block", "reason", no.GetReason().String())
		return
	}
	s.log.InfoContext(ctx, "produce_block made a block", "number", res.GetBlock().GetNumber(), "transactions", res.GetBlock().GetTransactions())
}

// requestID is the id of a request, and whether the caller chose it.
func requestID(ctx context.Context) (id string, chosen bool, err error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch keys := md.Get(IdempotencyKey); len(keys) {
	case 0:
		return requestid.New(), false, nil
	case 1:
		if err := requestid.Valid(keys[0]); err != nil {
			return "", false, Invalid(IdempotencyKey, err.Error())
		}
		return keys[0], true, nil
	default:
		return "", false, Invalid(IdempotencyKey, "given more than once")
	}
}

func wholeSeconds(t *timestamppb.Timestamp) (*timestamppb.Timestamp, error) {
	if t == nil {
		return nil, nil
	}
	if err := t.CheckValid(); err != nil {
		return nil, Invalid("timestamp", err.Error())
	}
	return &timestamppb.Timestamp{Seconds: t.Seconds}, nil
}

func produced(res *blueprintv1.ProduceBlockResponse) *gatewayv1.ProduceBlockResponse {
	out := &gatewayv1.ProduceBlockResponse{RequestId: res.RequestId}
	switch r := res.GetResult().(type) {
	case *blueprintv1.ProduceBlockResponse_Block:
		out.Result = &gatewayv1.ProduceBlockResponse_Block{Block: &gatewayv1.Block{
			Number: r.Block.GetNumber(), Hash: hexBytes(r.Block.GetHash()),
			Timestamp: r.Block.GetTimestamp(), Transactions: r.Block.GetTransactions(),
		}}
	case *blueprintv1.ProduceBlockResponse_NoPreblock:
		out.Result = &gatewayv1.ProduceBlockResponse_NoBlock{NoBlock: &gatewayv1.NoBlock{
			Reason: reason(r.NoPreblock.GetReason()),
		}}
	}
	return out
}
