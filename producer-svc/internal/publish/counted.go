package publish

import (
	"context"

	"blindseq/producer-svc/backpressure"
)

// Counted is a Rollup whose calls are counted.
type Counted struct {
	Rollup
	Count func(call string, err error)
}

// Inject implements Rollup.
func (r Counted) Inject(ctx context.Context, messages []string) error {
	err := r.Rollup.Inject(ctx, messages)
	r.Count("push", err)
	return err
}

// Look implements Rollup.
func (r Counted) Look(ctx context.Context) (backpressure.Seen, error) {
	seen, err := r.Rollup.Look(ctx)
	r.Count("look", err)
	return seen, err
}
