// Package observe records what a running system shows to the outside, for package history to judge.
package observe

import (
	"context"
	"fmt"
	"time"

	"blindseq/e2e/history"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
)

// again is the pause before a broken stream is opened anew.
const again = 100 * time.Millisecond

// Feed records the blueprint feed from the first number on, as one observer: after a break it continues at the next
// number it needs. It returns when ctx ends.
func Feed(ctx context.Context, producer *grpc.ClientConn, by string, r *history.Recorder) {
	next := uint64(1)
	for ctx.Err() == nil {
		next = follow(ctx, producer, next, func(b *blueprintv1.Blueprint) {
			r.Add(func(h *history.History) {
				h.Blueprints = append(h.Blueprints, history.Seen[*blueprintv1.Blueprint]{By: by, Value: b})
			})
		})
		pause(ctx)
	}
}

func follow(ctx context.Context, producer *grpc.ClientConn, next uint64, seen func(*blueprintv1.Blueprint)) uint64 {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := blueprintv1.NewProducerServiceClient(producer).
		StreamBlueprints(ctx, &blueprintv1.StreamBlueprintsRequest{FromNumber: next})
	if err != nil {
		return next
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return next
		}
		seen(m.GetBlueprint())
		next = m.GetBlueprint().GetNumber() + 1
	}
}

// Blueprints records what a producer publishes of the numbers 1 to last.
func Blueprints(ctx context.Context, producer *grpc.ClientConn, by string, last uint64, r *history.Recorder) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := follow(ctx, producer, 1, func(b *blueprintv1.Blueprint) {
		if b.GetNumber() <= last {
			r.Add(func(h *history.History) {
				h.Blueprints = append(h.Blueprints, history.Seen[*blueprintv1.Blueprint]{By: by, Value: b})
			})
		}
		if b.GetNumber() >= last {
			cancel()
		}
	})
	if next <= last {
		return fmt.Errorf("read blueprints of %s: the feed ends before %d, of %d", by, next, last)
	}
	return nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(again):
	}
}

// Proposals records the proposer's listing at every tick until ctx ends. A listing that is not answered is left out.
func Proposals(ctx context.Context, proposer *grpc.ClientConn, tick time.Duration, r *history.Recorder) {
	look := time.NewTicker(tick)
	defer look.Stop()
	client := proposalv1.NewProposerServiceClient(proposer)
	for {
		if list, err := client.ListProposals(ctx, &proposalv1.ListProposalsRequest{Limit: 100}); err == nil {
			r.Add(func(h *history.History) {
				h.Listings = append(h.Listings, history.Listing{Requests: list.GetRequests()})
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// Preblocks records what the monitor shows of the numbers 1 to last.
func Preblocks(ctx context.Context, monitor *grpc.ClientConn, last uint64, r *history.Recorder) error {
	if last == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := preblockv1.NewMonitorServiceClient(monitor).
		StreamPreblocks(ctx, &preblockv1.StreamPreblocksRequest{FromNumber: 1})
	if err != nil {
		return fmt.Errorf("read preblocks: %w", err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("read preblocks: %w", err)
		}
		p := m.GetPreblock()
		r.Add(func(h *history.History) {
			h.Preblocks = append(h.Preblocks, history.Seen[*preblockv1.Preblock]{By: "monitor", Value: p})
		})
		if p.GetContent().GetNumber() >= last {
			return nil
		}
	}
}
