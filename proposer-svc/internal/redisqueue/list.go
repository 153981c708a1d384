package redisqueue

import (
	"context"
	"fmt"

	"blindseq/proposer-svc/queue"
)

// List returns the current request and the queued ones in the order they will be served, and at most recent processed
// ones, the newest first. What cannot be read is left out: a list decides nothing.
func (s *Store) List(ctx context.Context, recent int) (waiting, processed []queue.Request, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	pipe := s.rdb.TxPipeline()
	current := pipe.HGet(ctx, s.rdb.Names.ProposerState(), "current")
	fifo := pipe.LRange(ctx, s.rdb.Names.ProposerFIFO(), 0, -1)
	requests := pipe.HGetAll(ctx, s.rdb.Names.ProposerRequests())
	last := pipe.LRange(ctx, s.rdb.Names.ProposerRecent(), 0, int64(min(recent, RecentLimit))-1)
	// The pipeline's error may be the nil reply of HGET, so each command is asked.
	_, _ = pipe.Exec(ctx)
	for _, err := range []error{fifo.Err(), requests.Err(), last.Err()} {
		if err != nil {
			return nil, nil, fmt.Errorf("list requests: %w", unavailable(err))
		}
	}
	byID := requests.Val()
	for _, id := range append([]string{current.Val()}, fifo.Val()...) {
		waiting = appendDecoded(waiting, byID[id])
	}
	for _, value := range last.Val() {
		processed = appendDecoded(processed, value)
	}
	return waiting, processed, nil
}

func appendDecoded(list []queue.Request, value string) []queue.Request {
	if r, err := decodeOptional(value); err == nil && r != nil {
		list = append(list, *r)
	}
	return list
}
