package fitness

import (
	"context"

	"blindseq/kit/ops"

	"golang.org/x/sync/errgroup"
)

// Reaches says in the note "faults" of /readyz what a service that leads nothing cannot reach and since when, until ctx ends. It does
// not change readiness: the other replicas may reach no more, and what is there is still served.
func Reaches(ctx context.Context, health *ops.Health, checks ...Check) error {
	var f Fitness
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.Watch(ctx, checks...) })
	g.Go(func() error {
		return f.Report(ctx, func(faults []Fault) { health.Note("faults", Text(faults)) })
	})
	return g.Wait()
}
