// Package source brings the DSN's preblocks: by a stream from the next number needed, resumed after every break, and
// singly where the merge needs a number that the stream does not bring.
//
// It guarantees that nothing is passed on that was not verified.
package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"blindseq/kit/retry"
	"blindseq/monitor-svc/merge"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// Sink takes the preblocks.
type Sink interface {
	Start(last uint64) (next uint64)
	Do(merge.Event)
	Needs(number uint64) bool
}

// DSN is the sequencer.
type DSN interface {
	GetStatus(context.Context, *dsnv1.GetStatusRequest, ...grpc.CallOption) (*dsnv1.GetStatusResponse, error)
	GetPreblock(context.Context, *dsnv1.GetPreblockRequest, ...grpc.CallOption) (*dsnv1.GetPreblockResponse, error)
	StreamPreblocks(context.Context, *dsnv1.StreamPreblocksRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[dsnv1.StreamPreblocksResponse], error)
}

// Errors of a connection.
var (
	ErrStreamEnded = errors.New("the DSN ended the stream")
	ErrBehind      = errors.New("the DSN has fewer preblocks than it had shown")
)

// Check refuses a well-formed preblock that does not prove what it must. An error without forged is one of the attempt: retry.
type Check interface {
	// Examine checks a preblock without its predecessor; several may be examined at once. An error says that it is forged.
	Examine(*preblockv1.Preblock) (statement [32]byte, err error)
	// ExamineRun is Examine for preblocks of consecutive numbers, at less cost. After an error Examine tells which is forged.
	ExamineRun([]*preblockv1.Preblock) (statements [][32]byte, err error)
	// Link then checks that it follows the one before it.
	Link(ctx context.Context, p *preblockv1.Preblock, statement [32]byte) (forged bool, err error)
}

// Config is what a source needs.
type Config struct {
	DSN         DSN
	Sink        Sink
	Check       Check
	Connected   func(err error) // called at each change: nil when the stream is up, else why it is not
	Log         *slog.Logger
	CallTimeout time.Duration
	Retry       retry.Policy // of the stream and of fetches
}

// Stream keeps the stream up.
type Stream struct{ cfg Config }

// NewStream returns a stream; Run runs it.
func NewStream(cfg Config) *Stream { return &Stream{cfg} }

// Run feeds the sink until ctx ends.
func (s *Stream) Run(ctx context.Context) error {
	failures := s.cfg.Retry.New()
	for ctx.Err() == nil {
		err := s.once(ctx, failures.Reset)
		s.cfg.Sink.Do(merge.Broken{})
		if ctx.Err() != nil {
			break
		}
		s.cfg.Connected(err)
		s.cfg.Log.Log(ctx, failures.Level(), "stream from the DSN failed, reconnecting", "failures", failures.Failures()+1, "error", err)
		_ = failures.Wait(ctx) // the loop sees that ctx ended
	}
	return nil
}

// once follows one stream until it breaks.
func (s *Stream) once(ctx context.Context, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, err := s.start(ctx)
	if err != nil {
		return err
	}
	stream, err := s.cfg.DSN.StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: next})
	if err != nil {
		return fmt.Errorf("stream preblocks from %d: %w", next, err)
	}
	s.cfg.Connected(nil)
	s.cfg.Log.InfoContext(ctx, "following the DSN", "from", next)
	for received := false; ; received = true {
		res, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("stream preblocks: %w: %w", ErrStreamEnded, err)
		}
		arrived, err := verify(ctx, s.cfg, res.GetPreblock())
		if errors.Is(err, merge.ErrForged) {
			s.cfg.Log.ErrorContext(ctx, "the DSN sent a bad preblock", "error", err)
		}
		if err != nil {
			return err
		}
		if !received {
			up()
		}
		// gofail: var preblockReceived struct{}
		s.cfg.Sink.Do(arrived)
	}
}

// start asks the DSN for its last number.
func (s *Stream) start(ctx context.Context) (next uint64, err error) {
	call, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	res, err := s.cfg.DSN.GetStatus(call, &dsnv1.GetStatusRequest{})
	if err != nil {
		return 0, fmt.Errorf("ask the DSN for its last number: %w", err)
	}
	next = s.cfg.Sink.Start(res.GetLastNumber())
	if res.GetLastNumber()+1 < next {
		return 0, fmt.Errorf("%w: its last number is %d, but %d was seen", ErrBehind, res.GetLastNumber(), next-1)
	}
	return next, nil
}
