package redisqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newForT(t *testing.T, r redistest.Redis, limit int) *Store {
	t.Helper()
	return New(r.NewClient(t), Config{Limits: queue.Limits{Queued: limit}, ProcessedTTL: time.Minute}, slog.New(slog.DiscardHandler))
}

func setLease(t *testing.T, r redistest.Redis, token uint64) {
	t.Helper()
	key := redistest.Names.LockLease(rediskeys.ProposerLease)
	if err := r.Client.HSet(t.Context(), key, "token", strconv.FormatUint(token, 10)).Err(); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, s *Store, e queue.Event) queue.Request {
	t.Helper()
	r, err := s.Apply(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request(id string) queue.Enqueue {
	return queue.Enqueue{Request: queue.Request{ID: id, Timestamp: 1_700_000_000, Force: true, Token: 3, Trace: "00-aa"}}
}

// TestStoreDoesWhatTheStateMachineSays drives two replicas on one Redis and the model in memory with the same random
// events, and compares every answer and what is left.
func TestStoreDoesWhatTheStateMachineSays(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		rng := rand.New(rand.NewPCG(7, 7))
		limits := queue.Limits{Queued: 4}
		model := queuetest.NewMemory(limits)
		replicas := []*Store{newForT(t, r, 4), newForT(t, r, 4)}
		setLease(t, r, 9)
		model.SetLease(9)
		for i := range 600 {
			if rng.IntN(150) == 0 {
				model.Wipe()
				model.SetLease(9)
				if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				setLease(t, r, 9)
			}
			e := randomEvent(rng, model)
			want, wantErr := model.Apply(e)
			got, err := replicas[rng.IntN(2)].Apply(t.Context(), e)
			if !reflect.DeepEqual(got, want) || !sameError(err, wantErr) {
				t.Fatalf("event %d %T %+v:\n got %+v, %v\nwant %+v, %v", i, e, e, got, err, want, wantErr)
			}
			replicas[0].Refresh()
			view, err := replicas[0].View(t.Context())
			if wantView := model.View(""); err != nil || !reflect.DeepEqual(view, wantView) {
				t.Fatalf("after event %d %T %+v:\n got %+v, %v\nwant %+v", i, e, e, view, err, wantView)
			}
		}
	})
}

func randomEvent(rng *rand.Rand, m *queuetest.Memory) queue.Event {
	id := fmt.Sprintf("r%d", rng.IntN(12))
	v := m.View("")
	if v.Current != nil && rng.IntN(3) > 0 {
		id = v.Current.ID
	} else if v.Head != nil && rng.IntN(3) > 0 {
		id = v.Head.ID
	}
	by := queue.By{Token: 9}
	if rng.IntN(20) == 0 {
		by.Token = 8
	}
	number := uint64(rng.IntN(5))
	switch rng.IntN(10) {
	case 0, 1:
		return queue.Start{By: by, ID: id, Number: number, Hash: []byte{1}}
	case 2:
		return queue.Retry{By: by, ID: id, Hash: []byte{2}}
	case 3:
		return queue.Decline{By: by, ID: id, Reason: queue.Reason(rng.IntN(3))}
	case 4:
		return queue.Announced{By: by, ID: id}
	case 5:
		return queue.Displace{By: by, ID: id}
	case 6:
		return queue.Refuse{By: by, ID: id, Reason: queue.Reason(rng.IntN(3))}
	case 7:
		return queue.Applied{ID: []string{id, ""}[rng.IntN(2)], Number: number}
	}
	return request(fmt.Sprintf("r%d", rng.IntN(12)))
}

func sameError(a, b error) bool {
	for _, e := range []error{
		queue.ErrFull, queue.ErrBusy, queue.ErrNotHead, queue.ErrNotCurrent, queue.ErrNotActive, queue.ErrNoReason, queue.ErrNoNumber,
	} {
		if errors.Is(a, e) != errors.Is(b, e) {
			return false
		}
	}
	return (a == nil) == (b == nil)
}

func TestAFormerActiveProposerCannotWrite(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		former, now := newForT(t, r, 8), newForT(t, r, 8)
		setLease(t, r, 1)
		apply(t, former, request("a"))
		if _, err := former.View(t.Context()); err != nil {
			t.Fatal(err)
		}
		setLease(t, r, 2) // the former one is paused here
		_, err := former.Apply(t.Context(), queue.Start{By: queue.By{Token: 1}, ID: "a", Number: 1, Hash: []byte{1}})
		if !errors.Is(err, queue.ErrNotActive) {
			t.Fatalf("start by the former active proposer: %v", err)
		}
		if got := apply(t, now, queue.Start{By: queue.By{Token: 2}, ID: "a", Number: 1, Hash: []byte{2}}); got.Attempt != 1 {
			t.Fatalf("start: %+v", got)
		}
		_, err = former.Apply(t.Context(), queue.Retry{By: queue.By{Token: 1}, ID: "a", Hash: []byte{3}})
		if !errors.Is(err, queue.ErrNotActive) {
			t.Fatalf("retry by the former active proposer: %v", err)
		}
	})
}

// A failover of Redis may have lost the token that the former active proposer was given, and given it to another.
func TestAProposerWithAnothersTokenCannotWrite(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		as := func(holder string) *Store {
			return New(r.NewClient(t), Config{Limits: queue.Limits{Queued: 8}, ProcessedTTL: time.Minute, Holder: func() string { return holder }},
				slog.New(slog.DiscardHandler))
		}
		former, now := as("former"), as("now")
		setLease(t, r, 5)
		if err := r.Client.HSet(t.Context(), redistest.Names.LockLease(rediskeys.ProposerLease), "holder", "now").Err(); err != nil {
			t.Fatal(err)
		}
		apply(t, former, request("a"))
		start := queue.Start{By: queue.By{Token: 5}, ID: "a", Number: 1, Hash: []byte{1}}
		if _, err := former.Apply(t.Context(), start); !errors.Is(err, queue.ErrNotActive) {
			t.Fatalf("start by the former active proposer: %v", err)
		}
		if got := apply(t, now, start); got.Phase != queue.InFlight {
			t.Fatalf("start: %+v", got)
		}
	})
}

func TestConcurrentReplicasLoseAndDoubleNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const replicas, each = 3, 20
		var wg sync.WaitGroup
		for i := range replicas {
			s := newForT(t, r, replicas*each)
			wg.Go(func() {
				for j := range each {
					// Two replicas share each id: a repeated request id is harmless.
					if _, err := s.Apply(t.Context(), request(fmt.Sprintf("r%d", (i+j*2)%(2*each)))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		waiting, _, err := newForT(t, r, 1).List(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for _, w := range waiting {
			if ids[w.ID] {
				t.Errorf("%s is queued twice", w.ID)
			}
			ids[w.ID] = true
		}
		if len(ids) != 2*each {
			t.Errorf("%d requests are queued, want %d", len(ids), 2*each)
		}
	})
}

func TestAReplicaIsWokenByAnother(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		active, other := newForT(t, r, 8), newForT(t, r, 8)
		watch(t, active)
		if v, err := active.View(t.Context()); err != nil || v.Head != nil {
			t.Fatalf("view %+v, %v", v, err)
		}
		apply(t, other, request("a"))
		awaitWake(t, active)
		if v, err := active.View(t.Context()); err != nil || v.Head == nil || v.Head.ID != "a" {
			t.Fatalf("view after the wake %+v, %v", v, err)
		}
	})
}

// The request is in the FIFO, and who asks again is told so: nothing else would wake the only replica there is.
func TestAReplicaIsWokenForWhatItWasNotAnsweredAbout(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		client := r.NewClient(t)
		s := New(client, Config{Limits: queue.Limits{Queued: 8}, ProcessedTTL: time.Minute}, slog.New(slog.DiscardHandler))
		apply(t, s, request("a"))
		awaitWake(t, s)
		redistest.LoseReplies(client, 1)
		if _, err := s.Apply(t.Context(), request("b")); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("without a reply: %v", err)
		}
		awaitWake(t, s)
	})
}

// It is the contract with monitor-svc, which records a notice only for this request.
func TestTheEndingRequestIsThereExactlyWhileOneIsEnding(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		s := newForT(t, r, 8)
		setLease(t, r, 1)
		apply(t, s, request("a"))
		apply(t, s, request("b"))
		by := queue.By{Token: 1}
		for _, step := range []struct {
			event  queue.Event
			ending string
		}{
			{queue.Decline{By: by, ID: "a", Reason: 1}, "a"},
			{request("c"), "a"},
			{queue.Announced{By: by, ID: "a"}, ""},
			{queue.Start{By: by, ID: "b", Number: 1, Hash: []byte{1}}, ""},
			{queue.Applied{ID: "b", Number: 1}, ""},
			{queue.Decline{By: by, ID: "c", Reason: 1}, "c"},
			{queue.Applied{ID: "c", Number: 2}, ""},
		} {
			apply(t, s, step.event)
			if got := r.Client.Get(t.Context(), redistest.Names.EndingRequest()).Val(); got != step.ending {
				t.Errorf("after %T: %q is ending, want %q", step.event, got, step.ending)
			}
		}
	})
}

// What a slow connection delivers late wakes the replica that gave it up.
func TestAReplicaIsWokenForWhatItGaveUp(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		s := newForT(t, r, 8)
		watch(t, s)
		apply(t, s, request("a"))
		awaitWake(t, s)
		tag, err := r.Client.HGet(t.Context(), redistest.Names.ProposerState(), "tag").Result()
		if err != nil {
			t.Fatal(err)
		}
		r.Stop(t)
		if _, err := s.Apply(t.Context(), request("b")); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("without Redis: %v", err)
		}
		r.Start(t)
		awaitWake(t, s) // subscribed again, and for the request without an answer
		for asleep := false; !asleep; {
			select {
			case <-s.Wake():
			case <-time.After(100 * time.Millisecond):
				asleep = true
			}
		}
		if err := r.Client.Publish(t.Context(), redistest.Names.ProposerEvents(), tag).Err(); err != nil {
			t.Fatal(err)
		}
		awaitWake(t, s)
	})
}

// watch has the store watched until the test is over, and returns once it is.
func watch(t *testing.T, s *Store) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Watch(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	awaitWake(t, s) // subscribed
}

func awaitWake(t *testing.T, s *Store) {
	t.Helper()
	select {
	case <-s.Wake():
	case <-time.After(5 * time.Second):
		t.Fatal("not woken")
	}
}

func TestADamagedFIFOIsClearedAndWorksAgain(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		for name, damage := range map[string]func(context.Context) error{
			"wrong type": func(ctx context.Context) error {
				return r.Client.Set(ctx, redistest.Names.ProposerFIFO(), "x", 0).Err()
			},
			"missing request": func(ctx context.Context) error {
				return r.Client.RPush(ctx, redistest.Names.ProposerFIFO(), "gone").Err()
			},
			"no JSON": func(ctx context.Context) error {
				r.Client.RPush(ctx, redistest.Names.ProposerFIFO(), "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerRequests(), "a", "{").Err()
			},
			"another request's": func(ctx context.Context) error {
				r.Client.RPush(ctx, redistest.Names.ProposerFIFO(), "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerRequests(), "a", `{"id":"c","state":1}`).Err()
			},
			"of no time": func(ctx context.Context) error {
				r.Client.RPush(ctx, redistest.Names.ProposerFIFO(), "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerRequests(), "a", `{"id":"a","state":1,"timestamp":-1}`).Err()
			},
			"in flight as nothing": func(ctx context.Context) error {
				r.Client.HSet(ctx, redistest.Names.ProposerState(), "current", "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerRequests(), "a", `{"id":"a","state":3}`).Err()
			},
			"queued and processed": func(ctx context.Context) error {
				r.Client.RPush(ctx, redistest.Names.ProposerFIFO(), "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerProcessed(), "a", `{"id":"a","state":4}`).Err()
			},
			"current is processed": func(ctx context.Context) error {
				r.Client.HSet(ctx, redistest.Names.ProposerState(), "current", "a")
				return r.Client.HSet(ctx, redistest.Names.ProposerProcessed(), "a", `{"id":"a","state":4}`).Err()
			},
			"another is ending": func(ctx context.Context) error {
				return r.Client.Set(ctx, redistest.Names.EndingRequest(), "a", 0).Err()
			},
			"ending is of the wrong type": func(ctx context.Context) error {
				return r.Client.RPush(ctx, redistest.Names.EndingRequest(), "a").Err()
			},
			"processed is of the wrong type": func(ctx context.Context) error {
				return r.Client.RPush(ctx, redistest.Names.ProposerProcessedOlder(), "b").Err()
			},
			"current is missing": func(ctx context.Context) error {
				return r.Client.HSet(ctx, redistest.Names.ProposerState(), "current", "a").Err()
			},
		} {
			if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if err := damage(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := newForT(t, r, 8)
			if _, err := s.View(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: got %v", name, err)
			}
			if got := apply(t, s, request("b")); got.Phase != queue.Queued {
				t.Errorf("%s: afterwards %+v", name, got)
			}
		}
	})
}

// TestARequestIsServedWhateverRedisLostOfIt removes each choice of the FIFO's keys while a request is queued, in flight or
// ending. Asked for again it must wait for its turn again, or be current.
func TestARequestIsServedWhateverRedisLostOfIt(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		by := queue.By{Token: 9}
		for state, bring := range map[queue.Phase]queue.Event{
			queue.Queued:   request("a"),
			queue.InFlight: queue.Start{By: by, ID: "a", Number: 1, Hash: []byte{1}},
			queue.Ending:   queue.Decline{By: by, ID: "a", Reason: 1},
		} {
			for lost := 1; lost < 1<<5; lost++ {
				if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				setLease(t, r, by.Token)
				s := newForT(t, r, 8)
				apply(t, s, request("a"))
				if got := apply(t, s, bring); got.Phase != state {
					t.Fatalf("brought to %+v", got)
				}
				var keys []string
				for i, key := range s.keys[:5] {
					if lost>>i&1 == 1 {
						keys = append(keys, key)
					}
				}
				if err := r.Client.Del(t.Context(), keys...).Err(); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Apply(t.Context(), request("a")); err != nil && !errors.Is(err, ErrDamaged) {
					t.Fatal(err)
				}
				got := apply(t, s, request("a"))
				v, err := s.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if first := cmp.Or(v.Current, v.Head); first == nil || first.ID != "a" || first.Phase != got.Phase {
					t.Errorf("%s, without %v: it is %+v, and the view %+v", state, keys, got, v)
				}
			}
		}
	})
}

func TestADamagedRecordOfAProcessedRequestDoesNotKeepItsIDFromBeingServed(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		s := newForT(t, r, 8)
		for id, damage := range map[string]func(ctx context.Context, key string) error{
			"list":  func(ctx context.Context, key string) error { return r.Client.RPush(ctx, key, "x").Err() },
			"entry": func(ctx context.Context, key string) error { return r.Client.HSet(ctx, key, "entry", "x").Err() },
		} {
			key := redistest.Names.ProposerProcessed()
			r.Client.Del(t.Context(), key)
			if err := damage(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Apply(t.Context(), request(id)); !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: got %v", id, err)
			}
			if got := apply(t, s, request(id)); got.Phase != queue.Queued {
				t.Errorf("%s: afterwards %+v", id, got)
			}
		}
	})
}

func TestWithoutRedisAnEventIsUnavailableAndLaterWorks(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		s := newForT(t, r, 8)
		apply(t, s, request("a"))
		r.Stop(t)
		if _, err := s.Apply(t.Context(), request("b")); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("without Redis: %v", err)
		}
		r.Start(t)
		if got := apply(t, s, request("b")); got.Phase != queue.Queued {
			t.Fatalf("with Redis again: %+v", got)
		}
	})
}

func TestProcessedRequestsAreListedAndForgottenInTime(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		s := New(r.NewClient(t), Config{Limits: queue.Limits{Queued: 8}, ProcessedTTL: time.Second}, slog.New(slog.DiscardHandler))
		setLease(t, r, 1)
		for n := range uint64(RecentLimit + 5) {
			apply(t, s, queue.Applied{ID: fmt.Sprintf("r%d", n+1), Number: n + 1})
		}
		_, processed, err := s.List(t.Context(), 2*RecentLimit)
		if err != nil || len(processed) != RecentLimit || processed[0].Number != RecentLimit+5 {
			t.Fatalf("%d processed, %v", len(processed), err)
		}
		if got := apply(t, s, queue.Applied{ID: "last", Number: 1000}); got.Phase != queue.Processed {
			t.Fatalf("processed: %+v", got)
		}
		if got := apply(t, s, request("last")); got.Phase != queue.Processed {
			t.Fatalf("a repeat of a processed id: %+v", got)
		}
		r.FastForward(2100 * time.Millisecond)
		if got := apply(t, s, request("last")); got.Phase != queue.Queued {
			t.Fatalf("after its time: %+v", got)
		}
	})
}
