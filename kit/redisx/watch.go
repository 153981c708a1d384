package redisx

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ErrWatchEnded is returned by Watch when its client was closed under it.
var ErrWatchEnded = errors.New("redis client closed")

// Watch calls notify for every message on the channels until ctx ends, over one connection that is made again whenever
// it breaks. Messages are lost while it is broken, so each channel is also notified with an empty payload whenever its
// subscription was (re)made: whoever then looks again misses nothing. notify runs on one goroutine and must not block.
func Watch(ctx context.Context, rdb redis.UniversalClient, notify func(channel, payload string), channels ...string) error {
	sub := rdb.Subscribe(ctx, channels...)
	defer sub.Close()
	events := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-events:
			if !ok {
				return fmt.Errorf("watch %v: %w", channels, ErrWatchEnded)
			}
			switch e := event.(type) {
			case *redis.Subscription:
				notify(e.Channel, "")
			case *redis.Message:
				notify(e.Channel, e.Payload)
			}
		}
	}
}
