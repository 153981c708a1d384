package follow

import (
	"context"
	"fmt"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// DelayedOf has the leading producer give the delayed transactions of an applied blueprint.
func DelayedOf(leading blueprintv1.ProducerServiceClient) func(context.Context, uint64) ([][]byte, error) {
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
