package leader_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"blindseq/kit/leader"
	"blindseq/kit/redistest"
)

func addresses(r *leader.Roster) (all []string) {
	for _, one := range r.Current() {
		all = append(all, one.GRPC)
	}
	return all
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("waited too long")
		}
	}
}

func TestARosterHasThoseThatServeAndNoOthers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		roster := leader.NewRoster(r.NewClient(t), "producer")
		background := func(f func(ctx context.Context) error) (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- f(ctx) }()
			stop = func() { cancel(); <-done; done <- nil }
			t.Cleanup(stop)
			return stop
		}
		background(roster.Run)
		var serves atomic.Bool
		enroll := func(addr string, serves func() bool) (stop func()) {
			rdb := r.NewClient(t)
			return background(func(ctx context.Context) error {
				return leader.Enroll(ctx, rdb, "producer", func() (leader.Replica, bool) {
					return leader.Replica{Endpoint: leader.Endpoint{GRPC: addr, RPC: addr}, Head: 7}, serves()
				})
			})
		}
		enroll("b:1", serves.Load)
		leave := enroll("a:1", func() bool { return true })
		until(t, func() bool { return slices.Equal(addresses(roster), []string{"a:1"}) })
		serves.Store(true)
		until(t, func() bool { return slices.Equal(addresses(roster), []string{"a:1", "b:1"}) })
		if roster.Current()[0].Head != 7 {
			t.Errorf("got %+v", roster.Current())
		}
		leave()
		until(t, func() bool { return slices.Equal(addresses(roster), []string{"b:1"}) })
		// One that was killed says nothing; here its last word is long ago.
		if err := r.Client.HSet(t.Context(), redistest.Names.Roster("producer"), "dead:1", `1 {"grpc":"dead:1","rpc":"dead:1"}`).Err(); err != nil {
			t.Fatal(err)
		}
		serves.Store(false)
		until(t, func() bool { return len(roster.Current()) == 0 })
	})
}

func TestWhatNoReplicaWroteDoesNotStayInARoster(t *testing.T) {
	ghost := `99999999999999 {"grpc":"ghost:1","rpc":"ghost:1"}`
	wrong := map[string]func(ctx context.Context, p redis.Pipeliner, key string){
		"another type":    func(ctx context.Context, p redis.Pipeliner, key string) { p.RPush(ctx, key, "garbage") },
		"text":            func(ctx context.Context, p redis.Pipeliner, key string) { p.HSet(ctx, key, "ghost:1", "garbage") },
		"an end far away": func(ctx context.Context, p redis.Pipeliner, key string) { p.HSet(ctx, key, "ghost:1", ghost) },
	}
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		key := redistest.Names.Roster("producer")
		roster := leader.NewRoster(r.NewClient(t), "producer")
		ctx, cancel := context.WithCancel(t.Context())
		var tasks errgroup.Group
		t.Cleanup(func() { cancel(); _ = tasks.Wait() })
		rdb := r.NewClient(t)
		tasks.Go(func() error { return roster.Run(ctx) })
		tasks.Go(func() error {
			return leader.Enroll(ctx, rdb, "producer", func() (leader.Replica, bool) {
				return leader.Replica{Endpoint: leader.Endpoint{GRPC: "a:1", RPC: "a:1"}}, true
			})
		})
		for name, write := range wrong {
			if _, err := r.Client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
				p.Del(t.Context(), key)
				write(t.Context(), p, key)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			t.Log(name)
			until(t, func() bool {
				all, err := r.Client.HKeys(t.Context(), key).Result()
				return err == nil && slices.Equal(all, []string{"a:1"}) && slices.Equal(addresses(roster), []string{"a:1"})
			})
		}
	})
}
