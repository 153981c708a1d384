// Package evidence keeps what proves that the DSN showed two contents for one number: a log line at once, and both
// preblocks in Redis as soon as it answers. The first evidence for a number is never replaced.
package evidence

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"blindseq/kit/rediskeys"
	"blindseq/monitor-svc/internal/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
)

// Keeper keeps evidence. The merge halts at the first, so there is one in the life of a process.
type Keeper struct {
	rdb   redis.UniversalClient
	log   *slog.Logger
	alarm chan merge.Halted
}

const (
	commandTimeout = time.Second
	retryAfter     = time.Second
)

// New returns a keeper; Run runs it.
func New(rdb redis.UniversalClient, log *slog.Logger) *Keeper {
	return &Keeper{rdb: rdb, log: log, alarm: make(chan merge.Halted, 1)}
}

// Alarm takes evidence. It does not block.
func (k *Keeper) Alarm(h merge.Halted) {
	select {
	case k.alarm <- h:
	default: // there is older evidence, and it is enough
	}
}

// Run keeps what Alarm took, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var h merge.Halted
	select {
	case h = <-k.alarm:
	case <-ctx.Done():
		return nil
	}
	k.log.ErrorContext(ctx, "the DSN showed two contents for one number: production is halted until an operator restarts this service",
		"number", h.Number, "first_hash", hex.EncodeToString(h.FirstHash[:]), "second_hash", hex.EncodeToString(h.SecondHash[:]),
		"first_request_id", h.First.GetRequestId(), "second_request_id", h.Second.GetRequestId())
	for ctx.Err() == nil {
		err := k.store(ctx, h)
		if err == nil {
			break
		}
		k.log.WarnContext(ctx, "keep evidence", "number", h.Number, "error", err)
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
	}
	<-ctx.Done()
	return nil
}

// Record is how Redis holds evidence.
type Record struct {
	Number     uint64 `json:"number"`
	FirstHash  string `json:"first_hash"`
	SecondHash string `json:"second_hash"`
	First      []byte `json:"first,omitempty"` // absent when only the hash was remembered
	Second     []byte `json:"second"`
}

func (k *Keeper) store(ctx context.Context, h merge.Halted) error {
	r := Record{Number: h.Number, FirstHash: hex.EncodeToString(h.FirstHash[:]), SecondHash: hex.EncodeToString(h.SecondHash[:])}
	var err error
	if r.First, err = encode(h.First); err != nil {
		return err
	}
	if r.Second, err = encode(h.Second); err != nil {
		return err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode evidence for %d: %w", h.Number, err)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := k.rdb.SetNX(ctx, rediskeys.MonitorEvidence(h.Number), value, 0).Err(); err != nil {
		return fmt.Errorf("store evidence for %d: %w", h.Number, err)
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
