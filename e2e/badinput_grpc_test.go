package e2e

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// badRPC is a gRPC call with the status it must end in.
type badRPC struct {
	what string
	code codes.Code
	call func(context.Context) error
}

func badGRPC(t *testing.T, c *cluster.Cluster) {
	for name, calls := range map[string][]badRPC{
		cluster.DSN: dsnCalls(c), cluster.Monitor: monitorCalls(c), cluster.Proposer: proposerCalls(c),
		cluster.Producer: producerCalls(c), cluster.Gateway: gatewayCalls(c),
	} {
		calls = append(calls, badRPC{"an unknown method", codes.Unimplemented, func(ctx context.Context) error {
			return c.Conn(name).Invoke(ctx, "/blindseq.nope.v1.Nope/Nope", &emptypb.Empty{}, &emptypb.Empty{})
		}})
		for _, call := range calls {
			t.Run(name+"/"+call.what, func(t *testing.T) {
				err := call.call(t.Context())
				if got := status.Convert(err); got.Code() != call.code || got.Message() == "" {
					t.Fatalf("got %s %q, want %s", got.Code(), got.Message(), call.code)
				}
			})
		}
	}
}

const bad, far = codes.InvalidArgument, uint64(1_000_000_000)

func unary[Req, Res any](call func(context.Context, Req, ...grpc.CallOption) (Res, error), req Req) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx, req)
		return err
	}
}

// streamed receives until the stream ends; a stream that sends something is not the refusal it should be.
func streamed[Req, Res any](call func(context.Context, Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Res], error), req Req) func(context.Context) error {
	return func(ctx context.Context) error {
		stream, err := call(ctx, req)
		if err != nil {
			return err
		}
		if _, err = stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

func dsnCalls(c *cluster.Cluster) []badRPC {
	dsn := dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN))
	submit := func(edit func(*preblockv1.Content)) func(context.Context) error {
		content := &preblockv1.Content{
			Number: far, PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{Seconds: 1_800_000_000},
		}
		edit(content)
		return unary(dsn.SubmitProposal, &dsnv1.SubmitProposalRequest{Content: content, RequestId: "bad", Attempt: 1})
	}
	return []badRPC{
		{"no content", bad, unary(dsn.SubmitProposal, &dsnv1.SubmitProposalRequest{})},
		{"number 0", bad, submit(func(c *preblockv1.Content) { c.Number = 0 })},
		{"a short hash", bad, submit(func(c *preblockv1.Content) { c.PreviousBlockHash = []byte{1} })},
		{"no timestamp", bad, submit(func(c *preblockv1.Content) { c.Timestamp = nil })},
		{"a fraction of a second", bad, submit(func(c *preblockv1.Content) { c.Timestamp.Nanos = 1 })},
		{"an empty transaction", bad, submit(func(c *preblockv1.Content) { c.Transactions = [][]byte{{}} })},
		{"a number far ahead", codes.FailedPrecondition, submit(func(*preblockv1.Content) {})},
		{"too many bytes", codes.ResourceExhausted, submit(func(c *preblockv1.Content) { c.Transactions = [][]byte{make([]byte, 600_000)} })},
		{"a preblock to come", codes.NotFound, unary(dsn.GetPreblock, &dsnv1.GetPreblockRequest{Number: far})},
		{"a stream from 0", bad, streamed(dsn.StreamPreblocks, &dsnv1.StreamPreblocksRequest{})},
	}
}

func monitorCalls(c *cluster.Cluster) []badRPC {
	monitor := preblockv1.NewMonitorServiceClient(c.Conn(cluster.Monitor))
	return []badRPC{
		{"Next without a request", bad, unary(monitor.Next, &preblockv1.NextRequest{Number: far})},
		{"Next for number 0", bad, unary(monitor.Next, &preblockv1.NextRequest{RequestId: "bad"})},
		{"a notice without a request", bad, unary(monitor.NotifyNoPreblock, &preblockv1.NotifyNoPreblockRequest{Reason: 1})},
		{"a notice without a reason", bad, unary(monitor.NotifyNoPreblock, &preblockv1.NotifyNoPreblockRequest{RequestId: "bad"})},
		{"an unknown reason", bad, unary(monitor.NotifyNoPreblock, &preblockv1.NotifyNoPreblockRequest{RequestId: "bad", Reason: 99})},
		{"a preblock to come", codes.NotFound, unary(monitor.GetPreblock, &preblockv1.GetPreblockRequest{Number: far})},
		{"a stream from 0", bad, streamed(monitor.StreamPreblocks, &preblockv1.StreamPreblocksRequest{})},
	}
}

func proposerCalls(c *cluster.Cluster) []badRPC {
	proposer := proposalv1.NewProposerServiceClient(c.Conn(cluster.Proposer))
	request := func(id string, ts *timestamppb.Timestamp) func(context.Context) error {
		return unary(proposer.RequestProposal, &proposalv1.RequestProposalRequest{RequestId: id, Timestamp: ts, Token: 1})
	}
	now := &timestamppb.Timestamp{Seconds: 1_800_000_000}
	return []badRPC{
		{"no request id", bad, request("", now)},
		{"a long request id", bad, request(strings.Repeat("x", 129), now)},
		{"a request id with spaces", bad, request("a b", now)},
		{"no timestamp", bad, request("bad", nil)},
		{"an impossible timestamp", bad, request("bad", &timestamppb.Timestamp{Seconds: -1 << 60})},
		{"number 0 processed", bad, unary(proposer.NotifyProcessed, &proposalv1.NotifyProcessedRequest{RequestId: "bad"})},
	}
}

func producerCalls(c *cluster.Cluster) []badRPC {
	producer := blueprintv1.NewProducerServiceClient(c.Conn(cluster.Producer))
	admin := blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer))
	return []badRPC{
		{"a request id with spaces", bad, unary(producer.ProduceBlock, &blueprintv1.ProduceBlockRequest{RequestId: "a b"})},
		{"a timestamp before the head's", bad, unary(producer.ProduceBlock,
			&blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: 5}})},
		{"a timestamp from the far future", bad, unary(producer.ProduceBlock,
			&blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: 32_503_680_000}})},
		{"a blueprint to come", codes.NotFound, unary(producer.GetBlueprint, &blueprintv1.GetBlueprintRequest{Number: far})},
		{"a feed from 0", bad, streamed(producer.StreamBlueprints, &blueprintv1.StreamBlueprintsRequest{})},
		{"a feed from nowhere", codes.OutOfRange, streamed(producer.StreamBlueprints, &blueprintv1.StreamBlueprintsRequest{FromNumber: far})},
		{"an empty delayed transaction", bad, unary(admin.AddDelayedTransaction, &blueprintv1.AddDelayedTransactionRequest{})},
		{"a delayed transaction that is none", bad, unary(admin.AddDelayedTransaction,
			&blueprintv1.AddDelayedTransactionRequest{Raw: []byte("hello")})},
		{"an oversized delayed transaction", bad, unary(admin.AddDelayedTransaction,
			&blueprintv1.AddDelayedTransactionRequest{Raw: make([]byte, 1<<20)})},
	}
}

func gatewayCalls(c *cluster.Cluster) []badRPC {
	gateway := gatewayv1.NewGatewayServiceClient(c.Conn(cluster.Gateway))
	return []badRPC{
		{"a timestamp from the far future", bad, unary(gateway.ProduceBlock,
			&gatewayv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: 32_503_680_000}})},
		{"an impossible timestamp", bad, unary(gateway.ProduceBlock,
			&gatewayv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: -1 << 60}})},
		{"a blueprint to come", codes.NotFound, unary(gateway.GetBlueprint, &gatewayv1.GetBlueprintRequest{Number: far})},
		{"a feed from nowhere", codes.OutOfRange, streamed(gateway.StreamBlueprints, &gatewayv1.StreamBlueprintsRequest{From: far})},
		{"bad hex", bad, unary(gateway.AddDelayedTransaction, &gatewayv1.AddDelayedTransactionRequest{Raw: "0xzz"})},
	}
}
