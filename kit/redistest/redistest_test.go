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

func TestAPromotedReplicaThatWasCutOffHasStaleData(t *testing.T) {
	s := NewSentinels(t)
	ctx, client := t.Context(), s.Open(t)
	for range 2 {
		if err := client.Set(ctx, "k", "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		s.AwaitReplicas(t, 2)
		if n, err := client.Do(ctx, "WAIT", 2, 5000).Int(); err != nil || n != 2 {
			t.Fatalf("%d replicas have it, %v", n, err)
		}
		s.CutReplicas(t)
		if err := client.Set(ctx, "k", "new", 0).Err(); err != nil {
			t.Fatal(err)
		}
		s.Failover(t)
		if got, err := s.Open(t).Get(ctx, "k").Result(); err != nil || got != "old" {
			t.Fatalf("the new master has %q, %v", got, err)
		}
		s.Heal(t)
		client = s.Open(t)
	}
}
