// Package api serves the producer's gRPC contracts: it checks what comes in, asks the part that knows, and puts the
// answer into messages. It decides nothing else. Domain errors pass through; the server maps them to status codes.
package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/requestid"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/internal/demand"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// idempotencyKey is the metadata a request id may come in.
const idempotencyKey = "idempotency-key"

var (
	// ErrBadRequest is returned for a request that is malformed.
	ErrBadRequest = errors.New("bad request")
	// ErrNotLeading is returned by a producer that does not lead.
	ErrNotLeading = errors.New("not the leading producer")
)

// Callers serves those who ask for a block.
type Callers interface {
	Produce(ctx context.Context, r demand.Request) (demand.Result, error)
}

// Feed has the published blueprints.
type Feed interface {
	Get(number uint64) (*blueprintv1.Blueprint, error)
	Stream(ctx context.Context, from uint64, send func(*blueprintv1.Blueprint) error) error
}

// Producer is the ProducerService.
type Producer struct {
	blueprintv1.UnimplementedProducerServiceServer
	Callers  Callers
	Feed     Feed
	Contents *contents.Assembler
	Leading  func() bool
	// Leadership ends what only the leader can tell.
	Leadership Leadership
	Follow     Follow
	// Served finds the applied block that a request gave.
	Served func(requestID string) (number uint64, ok bool)
	// Status fills the answer of GetStatus; it does not fail.
	Status func(ctx context.Context) *blueprintv1.GetStatusResponse
}

// ProduceBlock implements the contract.
func (p *Producer) ProduceBlock(ctx context.Context, r *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
	id, err := requestID(ctx, r.GetRequestId())
	if err != nil {
		return nil, err
	}
	at, err := timestamp(r.GetTimestamp())
	if err != nil {
		return nil, err
	}
	result, err := p.Callers.Produce(ctx, demand.Request{
		ID: id, Timestamp: at, WithDelayed: r.WithDelayedTransactions == nil || r.GetWithDelayedTransactions(),
	})
	if err != nil {
		return nil, err
	}
	return answer(id, result), nil
}

func answer(id string, r demand.Result) *blueprintv1.ProduceBlockResponse {
	if r.Number == 0 {
		no := &preblockv1.NoPreblock{RequestId: id, Reason: r.Reason}
		return &blueprintv1.ProduceBlockResponse{RequestId: id, Result: &blueprintv1.ProduceBlockResponse_NoPreblock{NoPreblock: no}}
	}
	block := &blueprintv1.ProducedBlock{
		Number: r.Number, Hash: r.Hash[:], Timestamp: &timestamppb.Timestamp{Seconds: r.Time}, Transactions: uint32(r.Transactions),
	}
	return &blueprintv1.ProduceBlockResponse{RequestId: id, Result: &blueprintv1.ProduceBlockResponse_Block{Block: block}}
}

// requestID is the field's id, or the metadata's, or a new one. Two that differ are a mistake of the caller.
func requestID(ctx context.Context, field string) (string, error) {
	id := field
	for _, key := range metadata.ValueFromIncomingContext(ctx, idempotencyKey) {
		if id != "" && key != id {
			return "", fmt.Errorf("%w: request id %q and %s %q differ", ErrBadRequest, id, idempotencyKey, key)
		}
		id = key
	}
	if id == "" {
		return requestid.New(), nil
	}
	if err := requestid.Valid(id); err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	return id, nil
}

// timestamp reads an optional timestamp of whole seconds; absent is the zero time.
func timestamp(t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := content.CheckTimestamp(t); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	return time.Unix(t.GetSeconds(), 0), nil
}

// GetProposalContent implements the contract.
func (p *Producer) GetProposalContent(ctx context.Context, r *blueprintv1.GetProposalContentRequest) (*blueprintv1.GetProposalContentResponse, error) {
	at, err := timestamp(r.GetTimestamp())
	switch {
	case err != nil:
		return nil, err
	case at.IsZero():
		return nil, fmt.Errorf("%w: no timestamp", ErrBadRequest)
	case !p.Leading():
		return nil, ErrNotLeading
	}
	// A FIFO that comes back from the past (Redis failed over to an old copy) still has requests that were served.
	if id := r.GetRequestId(); id != "" {
		if number, ok := p.Served(id); ok {
			return &blueprintv1.GetProposalContentResponse{ServedNumber: number}, nil
		}
	}
	return p.Contents.Next(ctx, at.Unix(), r.GetWithDelayedTransactions())
}

// GetBlueprint implements the contract.
func (p *Producer) GetBlueprint(_ context.Context, r *blueprintv1.GetBlueprintRequest) (*blueprintv1.GetBlueprintResponse, error) {
	b, err := p.Feed.Get(r.GetNumber())
	if err != nil {
		return nil, err
	}
	return &blueprintv1.GetBlueprintResponse{Blueprint: b}, nil
}

// StreamBlueprints implements the contract.
func (p *Producer) StreamBlueprints(r *blueprintv1.StreamBlueprintsRequest, s blueprintv1.ProducerService_StreamBlueprintsServer) error {
	return p.Feed.Stream(s.Context(), r.GetFromNumber(), func(b *blueprintv1.Blueprint) error {
		return s.Send(&blueprintv1.StreamBlueprintsResponse{Blueprint: b})
	})
}

// GetStatus implements the contract.
func (p *Producer) GetStatus(ctx context.Context, _ *blueprintv1.GetStatusRequest) (*blueprintv1.GetStatusResponse, error) {
	return p.Status(ctx), nil
}
