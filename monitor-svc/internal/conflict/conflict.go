// Package conflict records that the DSN showed two preblocks for one number, which differ in content or outcomes: a log line at once, and both preblocks in Redis
// as soon as it answers. The first record for a number is never replaced.
package conflict

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"blindseq/kit/redisx"
	"blindseq/kit/retry"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
)

// Recorder records the conflict. The merge halts at the first, so there is one in the life of a process.
type Recorder struct {
	rdb   *redisx.Client
	log   *slog.Logger
	alarm chan merge.Halted
}

const (
	commandTimeout = time.Second
	retryAfter     = time.Second
)

// New returns a recorder; Run runs it.
func New(rdb *redisx.Client, log *slog.Logger) *Recorder {
	return &Recorder{rdb: rdb, log: log, alarm: make(chan merge.Halted, 1)}
}

// Alarm takes a conflict. It does not block.
func (r *Recorder) Alarm(h merge.Halted) {
	select {
	case r.alarm <- h:
	default: // an older conflict is recorded, which is enough
	}
}

// Run records what Alarm took, until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	var h merge.Halted
	select {
	case h = <-r.alarm:
	case <-ctx.Done():
		return nil
	}
	r.log.ErrorContext(ctx, "the DSN showed two preblocks for one number: production is halted until an operator restarts this service",
		"number", h.Number, "first_hash", hex.EncodeToString(h.Was.Hash[:]), "second_hash", hex.EncodeToString(h.Is.Hash[:]),
		"first_outcomes", hex.EncodeToString(h.Was.Outcomes[:]), "second_outcomes", hex.EncodeToString(h.Is.Outcomes[:]),
		"first_request_id", h.First.GetRequestId(), "second_request_id", h.Second.GetRequestId())
	for {
		err := r.store(ctx, h)
		if err == nil {
			break
		}
		r.log.WarnContext(ctx, "store conflict", "number", h.Number, "error", err)
		if retry.Sleep(ctx, retryAfter) != nil {
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

// Record is how Redis holds a conflict.
type Record struct {
	Number         uint64 `json:"number"`
	FirstHash      string `json:"first_hash"` // of the content
	SecondHash     string `json:"second_hash"`
	FirstOutcomes  string `json:"first_outcomes"` // digest of what its sealed transactions were opened to
	SecondOutcomes string `json:"second_outcomes"`
	First          []byte `json:"first,omitempty"` // absent when only hash and digest were remembered
	Second         []byte `json:"second"`
}

func (r *Recorder) store(ctx context.Context, h merge.Halted) error {
	record := Record{
		Number: h.Number, FirstHash: hex.EncodeToString(h.Was.Hash[:]), SecondHash: hex.EncodeToString(h.Is.Hash[:]),
		FirstOutcomes: hex.EncodeToString(h.Was.Outcomes[:]), SecondOutcomes: hex.EncodeToString(h.Is.Outcomes[:]),
	}
	var err error
	if record.First, err = encode(h.First); err != nil {
		return err
	}
	if record.Second, err = encode(h.Second); err != nil {
		return err
	}
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode conflict for %d: %w", h.Number, err)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := r.rdb.SetNX(ctx, r.rdb.Names.MonitorConflict(h.Number), value, 0).Err(); err != nil {
		return fmt.Errorf("store conflict for %d: %w", h.Number, err)
	}
	return nil
}

func encode(p *preblockv1.Preblock) ([]byte, error) {
	if p == nil {
		return nil, nil
	}
	b, err := proto.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode preblock %d: %w", p.GetContent().GetNumber(), err)
	}
	return b, nil
}
