package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Sequencer stands in front of a real sequencer and shows its preblocks, or changed ones.
type Sequencer struct {
	dsnv1.UnimplementedSequencerServiceServer
	change atomic.Pointer[func(*preblockv1.Preblock)]

	real   dsnv1.SequencerServiceClient
	conn   *grpc.ClientConn
	server *grpckit.Server
	stop   context.CancelFunc
	done   chan error
}

// ServeSequencer starts an honest stand-in for the sequencer at an address.
func ServeSequencer(address string) (s *Sequencer, err error) {
	s = &Sequencer{done: make(chan error, 1)}
	if s.server, err = grpckit.NewServer(grpckit.ServerConfig{Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, fmt.Errorf("stand in for the sequencer: %w", err)
	}
	dsnv1.RegisterSequencerServiceServer(s.server.Registrar(), s)
	if s.conn, err = grpckit.Dial(address, config.TLS{}); err != nil {
		return nil, fmt.Errorf("stand in for the sequencer: %w", err)
	}
	s.real = dsnv1.NewSequencerServiceClient(s.conn)
	ctx, stop := context.WithCancel(context.Background()) // ends with Close
	s.stop = stop
	go func() { s.done <- s.server.Run(ctx) }()
	return s, nil
}

// Address is where it serves.
func (s *Sequencer) Address() string { return s.server.Addr() }

// Show has every preblock changed before it is shown from now on; nil shows them as they are.
func (s *Sequencer) Show(change func(*preblockv1.Preblock)) {
	if change == nil {
		s.change.Store(nil)
		return
	}
	s.change.Store(&change)
}

// Close ends it.
func (s *Sequencer) Close() error {
	s.stop()
	return errors.Join(<-s.done, s.conn.Close())
}

func (s *Sequencer) shown(p *preblockv1.Preblock) *preblockv1.Preblock {
	if change := s.change.Load(); change != nil && p != nil {
		p = proto.CloneOf(p)
		(*change)(p)
	}
	return p
}

// SubmitProposal is the real sequencer's.
func (s *Sequencer) SubmitProposal(ctx context.Context, r *dsnv1.SubmitProposalRequest) (*dsnv1.SubmitProposalResponse, error) {
	return s.real.SubmitProposal(ctx, r)
}

// GetStatus is the real sequencer's.
func (s *Sequencer) GetStatus(ctx context.Context, r *dsnv1.GetStatusRequest) (*dsnv1.GetStatusResponse, error) {
	return s.real.GetStatus(ctx, r)
}

// GetPreblock shows a preblock.
func (s *Sequencer) GetPreblock(ctx context.Context, r *dsnv1.GetPreblockRequest) (*dsnv1.GetPreblockResponse, error) {
	answer, err := s.real.GetPreblock(ctx, r)
	return &dsnv1.GetPreblockResponse{Preblock: s.shown(answer.GetPreblock())}, err
}

// StreamPreblocks shows preblocks as the real sequencer decides them.
func (s *Sequencer) StreamPreblocks(r *dsnv1.StreamPreblocksRequest, to grpc.ServerStreamingServer[dsnv1.StreamPreblocksResponse]) error {
	from, err := s.real.StreamPreblocks(to.Context(), r)
	if err != nil {
		return err
	}
	for {
		m, err := from.Recv()
		if err != nil {
			return err
		}
		if err := to.Send(&dsnv1.StreamPreblocksResponse{Preblock: s.shown(m.GetPreblock())}); err != nil {
			return err
		}
	}
}
