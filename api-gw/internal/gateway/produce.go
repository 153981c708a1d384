package gateway

import (
	"context"
	"fmt"

	"blindseq/kit/requestid"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// IdempotencyKey is the metadata (and, with its usual capitals, the HTTP header) that makes a repeat harmless.
const IdempotencyKey = "idempotency-key"

// ProduceBlock makes one block now. The request id is the caller's idempotency key, else chosen here, so that an
// error can name the id with which a repeat is safe.
func (s *Server) ProduceBlock(ctx context.Context, r *gatewayv1.ProduceBlockRequest) (*gatewayv1.ProduceBlockResponse, error) {
	id, err := requestID(ctx)
	if err != nil {
		return nil, err
	}
	at, err := wholeSeconds(r.GetTimestamp())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Produce)
	defer cancel()
	// gofail: var produceForwarding struct{}
	res, err := s.backends.Producer.ProduceBlock(ctx, &blueprintv1.ProduceBlockRequest{
		RequestId: id, Timestamp: at, WithDelayedTransactions: r.WithDelayedTransactions,
	})
	if err != nil {
		return nil, failed(ctx, fmt.Sprintf("produce block (request %s)", id), err)
	}
	// gofail: var produceAnswering struct{}
	return produced(res), nil
}

func requestID(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch keys := md.Get(IdempotencyKey); len(keys) {
	case 0:
		return requestid.New(), nil
	case 1:
		if err := requestid.Valid(keys[0]); err != nil {
			return "", Invalid(IdempotencyKey, err.Error())
		}
		return keys[0], nil
	default:
		return "", Invalid(IdempotencyKey, "given more than once")
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
