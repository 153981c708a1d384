package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"blindseq/e2e/cluster"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// rounds measures how long the order of a proposal with nothing sealed takes: from sending it to the sequencer to having its
// preblock with a quorum's certificate, every keyholder a process.
func (b *run) rounds(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dsn := dsnv1.NewSequencerServiceClient(b.c.Conn(cluster.DSN))
	stream, err := dsn.StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: 1})
	if err != nil {
		return fmt.Errorf("stream preblocks: %w", err)
	}
	var took []time.Duration
	for number := range uint64(b.Rounds) {
		start := time.Now()
		if _, err := dsn.SubmitProposal(ctx, &dsnv1.SubmitProposalRequest{Content: plainContent(number + 1)}); err != nil {
			return fmt.Errorf("propose number %d: %w", number+1, err)
		}
		if _, err := stream.Recv(); err != nil {
			return fmt.Errorf("receive preblock %d: %w", number+1, err)
		}
		took = append(took, time.Since(start))
	}
	fmt.Fprintf(b.out, "\nProposal to preblock with nothing sealed, %d of them one after the other, %d keyholder processes:\n", b.Rounds, keyholders)
	fmt.Fprintf(b.out, "  %s   (wanted: a median of 10 ms or less)\n", quantiles(took))
	return nil
}

// plainContent is as of a block of ten transfers.
func plainContent(number uint64) *preblockv1.Content {
	c := &preblockv1.Content{
		Number: number, PreviousBlockHash: bytes.Repeat([]byte{byte(number)}, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
	}
	for i := range 10 {
		c.Transactions = append(c.Transactions, bytes.Repeat([]byte{byte(i)}, transferBytes))
	}
	return c
}
