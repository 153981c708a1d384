package txstore

import (
	"context"
	"time"
)

// Expire does once what Run does now and then.
func (k *Keeper) Expire(now time.Time) error { return k.expire(now) }

// Sweep does once what Run does all the time.
func (k *Keeper) Sweep(ctx context.Context) error { return k.sweep(ctx, true) }
