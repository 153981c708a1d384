package leader_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/kit/leader"
	"blindseq/kit/rediskeys"
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
		if err := r.Client.HSet(t.Context(), rediskeys.Roster("producer"), "dead:1", `1 {"grpc":"dead:1","rpc":"dead:1"}`).Err(); err != nil {
			t.Fatal(err)
		}
		serves.Store(false)
		until(t, func() bool { return len(roster.Current()) == 0 })
	})
}
