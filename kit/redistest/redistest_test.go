package redistest

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachGivesAnEmptyRedisThatExpires(t *testing.T) {
	Each(t, func(t *testing.T, r Redis) {
		ctx := t.Context()
		if n := r.Client.DBSize(ctx).Val(); n != 0 {
			t.Fatalf("%d keys in a new Redis", n)
		}
		if err := r.Client.Set(ctx, "k", "v", 30*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		r.FastForward(40 * time.Millisecond)
		if err := r.NewClient(t).Get(ctx, "k").Err(); !errors.Is(err, redis.Nil) {
			t.Fatalf("get after expiry: %v, want redis.Nil", err)
		}
	})
}

func TestStopRefusesAndStartServesAtTheSameAddress(t *testing.T) {
	Each(t, func(t *testing.T, r Redis) {
		ctx := t.Context()
		r.Stop(t)
		if err := r.Client.Ping(ctx).Err(); err == nil {
			t.Fatal("a stopped Redis answered")
		}
		r.Start(t)
		if err := r.Client.Ping(ctx).Err(); err != nil {
			t.Fatalf("ping after the restart: %v", err)
		}
	})
}
