package producer

import (
	"context"
	"fmt"
	"time"

	"blindseq/kit/lock"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/sections"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// consumption is the consumption lock as a section takes it: never with a token that the blueprint log would refuse.
type consumption struct {
	locker *lock.Locker
	log    *bplog.Log
	known  func() uint64 // highest token that another leader is known to have; nil for none
}

func (c consumption) Acquire(ctx context.Context, priority bool) (sections.Held, error) {
	floor := c.log.LastToken()
	if c.known != nil {
		floor = max(floor, c.known())
	}
	held, err := c.locker.Acquire(ctx, lock.Request{Priority: priority, Floor: floor})
	if err != nil {
		return nil, err
	}
	return held, nil
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
