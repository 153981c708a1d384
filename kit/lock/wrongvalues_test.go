package lock

import (
	"context"
	"testing"
	"time"

	"blindseq/kit/redistest"
	"blindseq/kit/redisx"
)

// Whatever somebody wrote into the lock's keys, the lock is had again, and with a token that can be counted on from.
func TestWrongValuesInRedisDoNotKeepTheLockFromAnyone(t *testing.T) {
	lease, token := redistest.Names.LockLease("test"), redistest.Names.LockToken("test")
	for name, write := range map[string]func(ctx context.Context, c *redisx.Client) error{
		"lease is a string": func(ctx context.Context, c *redisx.Client) error { return c.Set(ctx, lease, "x", 0).Err() },
		"lease is a list":   func(ctx context.Context, c *redisx.Client) error { return c.RPush(ctx, lease, "x").Err() },
		"lease does not end": func(ctx context.Context, c *redisx.Client) error {
			return c.HSet(ctx, lease, "attempt", "x").Err()
		},
		"lease without owner": func(ctx context.Context, c *redisx.Client) error {
			return c.HSet(ctx, lease, "token", "x").Err()
		},
		"lease for a year": func(ctx context.Context, c *redisx.Client) error {
			c.HSet(ctx, lease, "attempt", "x")
			return c.Expire(ctx, lease, 365*24*time.Hour).Err()
		},
		"token is a hash":     func(ctx context.Context, c *redisx.Client) error { return c.HSet(ctx, token, "a", "b").Err() },
		"token is text":       func(ctx context.Context, c *redisx.Client) error { return c.Set(ctx, token, "x", 0).Err() },
		"token is negative":   func(ctx context.Context, c *redisx.Client) error { return c.Set(ctx, token, "-5", 0).Err() },
		"token is a fraction": func(ctx context.Context, c *redisx.Client) error { return c.Set(ctx, token, "1.5", 0).Err() },
		"token is infinite":   func(ctx context.Context, c *redisx.Client) error { return c.Set(ctx, token, "1e999", 0).Err() },
		"token is the last there can be": func(ctx context.Context, c *redisx.Client) error {
			return c.Set(ctx, token, "9007199254740991", 0).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			redistest.Each(t, func(t *testing.T, r redistest.Redis) {
				const ttl = 300 * time.Millisecond
				if err := write(t.Context(), r.Client); err != nil {
					t.Fatal(err)
				}
				held := acquireAsTimePasses(t, lockerForT(t, r, ttl), r, Request{Floor: 41})
				if token := held.Token(); token < 42 || token > 100 { // 42, or more when an answer was slow
					t.Errorf("token %d, want the floor and a little", token)
				}
				release(t, held)
			})
		})
	}
}

// acquireAsTimePasses lets time pass on miniredis too, but only while nothing is held.
func acquireAsTimePasses(t *testing.T, l *Locker, r redistest.Redis, req Request) *Held {
	t.Helper()
	all := contextForT(t)
	for {
		ctx, cancel := context.WithTimeout(all, 200*time.Millisecond)
		h, err := l.Acquire(ctx, req)
		if err == nil {
			t.Cleanup(cancel) // the end of ctx would end the section
			return h
		}
		cancel()
		if all.Err() != nil {
			t.Fatal(err)
		}
		r.FastForward(l.o.TTL / 3)
	}
}

func TestARecordChangedUnderItsHolderIsWrittenAgain(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l := lockerForT(t, r, time.Second)
		h := acquire(t, l, Request{Meta: "here"})
		lease := redistest.Names.LockLease("test")
		if err := r.Client.HSet(t.Context(), lease, "token", "x", "holder", "thief", "meta", "elsewhere").Err(); err != nil {
			t.Fatal(err)
		}
		want := Status{Holder: h.Holder(), Token: h.Token(), Meta: "here"}
		until(t, "it is as it was", func() bool {
			st, err := l.Inspect(t.Context())
			return err == nil && st == want
		})
		release(t, h)
	})
}

func TestAFullRedisDoesNotTakeTheLockFromItsHolder(t *testing.T) {
	r := redistest.Real(t)
	l := lockerForT(t, r, time.Second)
	h := acquire(t, l, Request{Meta: "here"})
	ctx := t.Context()
	for setting, value := range map[string]string{"maxmemory": "1", "maxmemory-policy": "noeviction"} {
		if err := r.Client.ConfigSet(ctx, setting, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Client.Set(ctx, "x", "y", 0).Err(); err == nil {
		t.Fatal("the Redis of this test is not full")
	}
	select {
	case <-h.Context().Done():
		t.Fatal("lost")
	case <-time.After(1500 * time.Millisecond): // longer than the TTL
	}
	release(t, h)
}
