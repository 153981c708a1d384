package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/lock"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// consumption is the consumption lock as a section takes it: never with a token that the blueprint log would refuse.
type consumption struct {
	locker *lock.Locker
	log    *bplog.Log
	told   func() uint64 // highest token another leader has told of; nil for none
}

func (c consumption) Acquire(ctx context.Context, priority bool) (section.Held, error) {
	floor := c.log.LastToken()
	if c.told != nil {
		floor = max(floor, c.told())
	}
	held, err := c.locker.Acquire(ctx, lock.Request{Priority: priority, Floor: floor})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// decided is the blueprint log as a section writes it: a repeat of what it has is a success.
type decided struct {
	*bplog.Log
	bundles *bundles.Pool // told of the places decided; nil when nothing is encrypted
	failed  func(error)   // told that the log cannot be written any more
}

func (d decided) Append(rec *blueprintv1.LogRecord, head content.Hash) (*blueprintv1.LogRecord, error) {
	err := d.Log.Append(rec, head)
	switch {
	case err == nil:
		if d.bundles != nil {
			d.bundles.Decided(bundleHashes(rec))
		}
		return rec, nil
	case errors.Is(err, bplog.ErrRepeated):
		return d.Get(rec.GetNumber())
	case errors.Is(err, bplog.ErrStaleToken):
		return nil, fmt.Errorf("%w: %w", section.ErrStale, err)
	}
	return nil, d.sorted(err)
}

// sorted tells a disk that failed from what must never happen.
func (d decided) sorted(err error) error {
	if !errors.Is(err, wal.ErrBroken) {
		return err
	}
	d.failed(err)
	return fmt.Errorf("%w: %w", section.ErrStorage, err)
}

// followed is the blueprint log as a follower writes it: a repeat of what it has is a success.
type followed struct {
	decided
	token func() uint64 // highest token that a leader has told of
}

func (f followed) AppendFollowed(rec *blueprintv1.LogRecord, head content.Hash) error {
	err := f.Log.AppendFollowed(rec, head, f.token())
	if errors.Is(err, bplog.ErrRepeated) {
		return nil
	}
	if err == nil && f.bundles != nil {
		f.bundles.Decided(bundleHashes(rec))
	}
	return f.sorted(err)
}

func (d decided) ByRequest(id string) (*blueprintv1.LogRecord, bool) {
	number, ok := d.Log.ByRequest(id)
	if !ok {
		return nil, false
	}
	rec, err := d.Get(number)
	return rec, err == nil
}

func (d decided) RequestOf(number uint64) string {
	rec, err := d.Get(number)
	if err != nil {
		return ""
	}
	return rec.GetRequestId()
}

// served finds the applied block that a request gave.
func (s *Service) served(requestID string) (number uint64, ok bool) {
	block, ok := knownBlock(s.disk.log, s.evm, requestID)
	return block.Number, ok
}

// knownBlock is the applied block that a request gave, if it is one of the last many.
func knownBlock(log *bplog.Log, chain section.Chain, requestID string) (section.Block, bool) {
	rec, ok := decided{Log: log}.ByRequest(requestID)
	if !ok {
		return section.Block{}, false
	}
	hash, ok := chain.BlockHash(rec.GetNumber())
	return section.BlockOf(rec, hash), ok
}

// delayedOf has the leading producer give the delayed transactions of an applied blueprint.
func delayedOf(leading blueprintv1.ProducerServiceClient) func(context.Context, uint64) ([][]byte, error) {
	return func(ctx context.Context, number uint64) ([][]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, supplyTimeout)
		defer cancel()
		answer, err := leading.GetBlueprint(ctx, &blueprintv1.GetBlueprintRequest{Number: number})
		if err != nil {
			return nil, fmt.Errorf("ask the leading producer for blueprint %d: %w", number, err)
		}
		var raws [][]byte
		for _, d := range answer.GetBlueprint().GetDelayedTransactions() {
			raws = append(raws, d.GetRaw())
		}
		return raws, nil
	}
}

// supplyTimeout bounds one call for what another replica has.
const supplyTimeout = 2 * time.Second
