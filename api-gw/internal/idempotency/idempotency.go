// Package idempotency binds the idempotency keys that callers choose to the bodies they are first used with, for all gateways of
// a deployment.
//
// It guarantees that a key means one body for TTL. It does not guarantee that after Redis lost its data: the key is then bound
// again. What a key gave is in the blueprint log, and stays.
package idempotency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"blindseq/kit/redisx"

	"github.com/redis/go-redis/v9"
)

// ErrOtherBody is returned for a key that was used with another body.
var ErrOtherBody = errors.New("the idempotency key was used with another body: choose a new key, or send the first body")

// TTL is how long a key is bound, from its first use.
const TTL = time.Hour

const (
	commandTimeout = 500 * time.Millisecond
	mark           = "body:" // begins what was written here
)

// Keys are those of one deployment.
type Keys struct{ rdb *redisx.Client }

// New returns the keys in this Redis.
func New(rdb *redisx.Client) *Keys { return &Keys{rdb} }

// Bind binds a key to a body, or returns ErrOtherBody. Another error means that Redis did not say.
func (k *Keys) Bind(ctx context.Context, key, body string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	name := k.rdb.Names.GatewayBody(key)
	bound, err := k.rdb.SetNX(ctx, name, mark+body, TTL).Result()
	if err != nil {
		return fmt.Errorf("bind idempotency key %s: %w", key, err)
	}
	if bound {
		return nil
	}
	switch first, err := k.rdb.Get(ctx, name).Result(); {
	case err != nil && (redis.HasErrorPrefix(err, "WRONGTYPE") || errors.Is(err, redis.Nil)), err == nil && !strings.HasPrefix(first, mark):
		return k.rdb.Set(ctx, name, mark+body, TTL).Err() // another program wrote there, or the TTL ended between the two
	case err != nil:
		return fmt.Errorf("bind idempotency key %s: %w", key, err)
	case first != mark+body:
		return fmt.Errorf("bind idempotency key %s: %w", key, ErrOtherBody)
	}
	return nil
}
