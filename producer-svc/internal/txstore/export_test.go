package txstore

import "context"

// Sweep does once what Run does all the time.
func (k *Keeper) Sweep(ctx context.Context) error { return k.sweep(ctx, true) }
