package fakes

import (
	"context"
	"net"
	"sync"

	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Server serves an Order over gRPC as proposer and monitor. It asks a producer for contents once Follow has named one.
type Server struct {
	*Order
	Addr string

	grpc *grpc.Server
	mu   sync.Mutex
	conn *grpc.ClientConn
}

// Serve starts a Server on a free port.
func Serve() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: listener.Addr().String(), grpc: grpc.NewServer()}
	s.Order = NewOrder(func() section.Head { return section.Head{} })
	s.Order.Ask = s.ask
	proposalv1.RegisterProposerServiceServer(s.grpc, proposerServer{Order: s.Order})
	preblockv1.RegisterMonitorServiceServer(s.grpc, monitorServer{Order: s.Order})
	go s.grpc.Serve(listener) //nolint:errcheck // ends with Stop
	return s, nil
}

// Follow names the leading producer.
func (s *Server) Follow(addr string) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
	s.conn = conn
	return nil
}

// Stop ends the server.
func (s *Server) Stop() {
	s.grpc.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// ask has the producer put a proposal together.
func (s *Server) ask(at int64, withDelayed bool) (*blueprintv1.GetProposalContentResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return blueprintv1.NewProducerServiceClient(s.conn).GetProposalContent(context.Background(), &blueprintv1.GetProposalContentRequest{
		Timestamp: &timestamppb.Timestamp{Seconds: at}, WithDelayedTransactions: withDelayed,
	})
}

type proposerServer struct {
	proposalv1.UnimplementedProposerServiceServer
	*Order
}

func (s proposerServer) RequestProposal(ctx context.Context, r *proposalv1.RequestProposalRequest) (*proposalv1.RequestProposalResponse, error) {
	return s.Order.RequestProposal(ctx, r)
}

func (s proposerServer) NotifyProcessed(ctx context.Context, r *proposalv1.NotifyProcessedRequest) (*proposalv1.NotifyProcessedResponse, error) {
	return s.Order.NotifyProcessed(ctx, r)
}

type monitorServer struct {
	preblockv1.UnimplementedMonitorServiceServer
	*Order
}

func (s monitorServer) Next(ctx context.Context, r *preblockv1.NextRequest) (*preblockv1.NextResponse, error) {
	return s.Order.Next(ctx, r)
}

func (s monitorServer) StreamPreblocks(r *preblockv1.StreamPreblocksRequest, out grpc.ServerStreamingServer[preblockv1.StreamPreblocksResponse]) error {
	return s.Stream(out.Context(), r.GetFromNumber(), func(p *preblockv1.Preblock) error {
		return out.Send(&preblockv1.StreamPreblocksResponse{Preblock: p})
	})
}

func (s monitorServer) GetStatus(context.Context, *preblockv1.GetStatusRequest) (*preblockv1.GetStatusResponse, error) {
	return &preblockv1.GetStatusResponse{DsnConnected: true, LastPreblockNumber: s.Fixed()}, nil
}

func (s monitorServer) GetPreblock(ctx context.Context, r *preblockv1.GetPreblockRequest) (*preblockv1.GetPreblockResponse, error) {
	return s.Order.GetPreblock(ctx, r)
}
