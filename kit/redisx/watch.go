package redisx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/retry"

	"github.com/redis/go-redis/v9"
)

const (
	pingEvery   = 3 * time.Second // finds out that a silent connection is dead
	retryPeriod = 100 * time.Millisecond
)

// ErrWatchEnded is returned by Watch when its client was closed under it.
var ErrWatchEnded = errors.New("redis client closed")

// Watch calls notify for every message on the channels until ctx ends, over one connection that is reopened whenever
// it breaks or Redis refuses the subscription (it is busy with a script, or a user may not subscribe). Messages are lost
// until then, so notify is also called with an empty payload after each new subscription to a channel: a caller that then
// reads the state again misses nothing. notify runs on one goroutine and must not block.
func Watch(ctx context.Context, rdb redis.UniversalClient, notify func(channel, payload string), channels ...string) error {
	// The library's own channel of messages is not used: it takes a refused subscription for one that was made.
	for reported := false; ; {
		err := follow(ctx, rdb.Subscribe(ctx, channels...), func(channel, payload string) {
			reported = false
			notify(channel, payload)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, redis.ErrClosed):
			return fmt.Errorf("watch %v: %w", channels, ErrWatchEnded)
		case !reported:
			reported = true
			library.Load().WarnContext(ctx, "Redis refuses a subscription; it is asked again", "channels", channels, "error", err)
		}
		_ = retry.Sleep(ctx, retryPeriod) // the loop looks at ctx
	}
}

// follow returns only when ctx ended, the client was closed, or Redis answered with an error.
func follow(ctx context.Context, sub *redis.PubSub, notify func(channel, payload string)) error {
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	defer sub.Close() // closed already when ctx has ended
	defer ping(ctx, sub)()
	for failed := false; ; {
		event, err := sub.Receive(ctx)
		if refused := redis.Error(nil); errors.Is(err, redis.ErrClosed) || errors.As(err, &refused) {
			return err
		}
		if err != nil { // the connection broke, and Receive made another at once, if it could
			if failed {
				_ = retry.Sleep(ctx, retryPeriod) // Receive looks at ctx
			}
			failed = true
			continue
		}
		failed = false
		switch e := event.(type) {
		case *redis.Subscription:
			notify(e.Channel, "")
		case *redis.Message:
			notify(e.Channel, e.Payload)
		}
	}
}

// ping writes to the connection at intervals until stop is called. A write that is not acknowledged ends the connection.
func ping(ctx context.Context, sub *redis.PubSub) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go func() {
		for retry.Sleep(ctx, pingEvery) == nil {
			_ = sub.Ping(ctx) // makes the connection again when it fails
		}
	}()
	return stop
}
