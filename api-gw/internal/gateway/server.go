// Package gateway implements the public API (blindseq.gateway.v1) on the internal services. It converts public messages to
// internal ones and back, and stores nothing.
//
// It guarantees: every call has a timeout, and every error names the action that failed and has a status code that the
// proto file documents. A call that a service cannot serve yet is held and retried (package hold). It asks of callers that
// they have checked who may call.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Backends are the services behind the API. Producer and Admin lead to the leading producer, whichever it is.
type Backends struct {
	Producer blueprintv1.ProducerServiceClient
	Admin    blueprintv1.AdminServiceClient
	Proposer proposalv1.ProposerServiceClient
	Monitor  preblockv1.MonitorServiceClient
	// Bind binds an idempotency key to the body it is first used with; with another body it returns idempotency.ErrOtherBody.
	// nil binds nothing.
	Bind func(ctx context.Context, key, body string) error
}

// Timeouts bound the calls to the services behind.
type Timeouts struct {
	// Produce bounds produce_block, which waits for the consumption lock and for the DSN, the time it is held included.
	Produce time.Duration
	// Call bounds every attempt of every other call that is not a stream.
	Call time.Duration
	// Status bounds each part's answer within GetStatus, so that a dead part does not delay the rest.
	Status time.Duration
}

// Server implements GatewayService.
type Server struct {
	gatewayv1.UnimplementedGatewayServiceServer
	backends Backends
	timeouts Timeouts
	lines    Lines
	log      *slog.Logger
}

// New returns the API over these services.
func New(b Backends, t Timeouts, lines Lines, log *slog.Logger) *Server {
	return &Server{backends: b, timeouts: t, lines: lines, log: log}
}

// GetBlueprint shows an applied blueprint.
func (s *Server) GetBlueprint(ctx context.Context, r *gatewayv1.GetBlueprintRequest) (*gatewayv1.GetBlueprintResponse, error) {
	if err := fromOne("number", r.Number); err != nil {
		return nil, err
	}
	res, err := held(ctx, s.lines.Leader, s.timeouts.Call, s.backends.Producer.GetBlueprint, &blueprintv1.GetBlueprintRequest{Number: r.Number})
	if err != nil {
		return nil, failed(ctx, fmt.Sprintf("get blueprint %d", r.Number), err)
	}
	return &gatewayv1.GetBlueprintResponse{Blueprint: blueprint(res.GetBlueprint())}, nil
}

// StreamBlueprints forwards the leading producer's feed until it breaks or the caller leaves. It does not resume a broken
// feed: the caller knows which number it has processed, the gateway does not.
func (s *Server) StreamBlueprints(r *gatewayv1.StreamBlueprintsRequest, out gatewayv1.GatewayService_StreamBlueprintsServer) error {
	if err := fromOne("from", r.From); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	action := fmt.Sprintf("stream blueprints from %d", r.From)
	in, err := s.backends.Producer.StreamBlueprints(ctx, &blueprintv1.StreamBlueprintsRequest{FromNumber: r.From})
	if err != nil {
		return failed(ctx, action, err)
	}
	for {
		res, err := in.Recv()
		if err != nil {
			return failed(ctx, action, err)
		}
		if err := out.Send(&gatewayv1.StreamBlueprintsResponse{Blueprint: blueprint(res.GetBlueprint())}); err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
	}
}

// GetPreblock shows what the DSN fixed for a number.
func (s *Server) GetPreblock(ctx context.Context, r *gatewayv1.GetPreblockRequest) (*gatewayv1.GetPreblockResponse, error) {
	if err := fromOne("number", r.Number); err != nil {
		return nil, err
	}
	res, err := held(ctx, s.lines.Monitor, s.timeouts.Call, s.backends.Monitor.GetPreblock, &preblockv1.GetPreblockRequest{Number: r.Number})
	if err != nil {
		return nil, failed(ctx, fmt.Sprintf("get preblock %d", r.Number), err)
	}
	return &gatewayv1.GetPreblockResponse{Preblock: preblock(res.GetPreblock())}, nil
}

// ListProposals shows the proposal requests.
func (s *Server) ListProposals(ctx context.Context, r *gatewayv1.ListProposalsRequest) (*gatewayv1.ListProposalsResponse, error) {
	res, err := held(ctx, s.lines.Proposer, s.timeouts.Call, s.backends.Proposer.ListProposals, &proposalv1.ListProposalsRequest{
		Limit: r.Limit, PageSize: r.PageSize, PageToken: r.PageToken,
	})
	if err != nil {
		return nil, failed(ctx, "list proposals", err)
	}
	out := make([]*gatewayv1.Proposal, len(res.GetRequests()))
	for i, p := range res.GetRequests() {
		out[i] = proposal(p)
	}
	return &gatewayv1.ListProposalsResponse{Proposals: out, NextPageToken: res.GetNextPageToken()}, nil
}

func fromOne(field string, number uint64) error {
	if number == 0 {
		return Invalid(field, "must be at least 1")
	}
	return nil
}

// Invalid is the INVALID_ARGUMENT of one field of a request, which it names in its details too.
func Invalid(field, problem string) error {
	s := status.New(codes.InvalidArgument, field+": "+problem)
	detailed, err := s.WithDetails(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: field, Description: problem},
	}})
	if err != nil {
		return s.Err()
	}
	return detailed.Err()
}
