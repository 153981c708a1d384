package idempotency_test

import (
	"context"
	"errors"
	"testing"

	"blindseq/api-gw/internal/idempotency"
	"blindseq/kit/redistest"
)

func TestAKeyMeansOneBodyAtEveryGateway(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a, b := idempotency.New(r.Client), idempotency.New(r.NewClient(t))
		for _, k := range []*idempotency.Keys{a, b, a} {
			if err := k.Bind(t.Context(), "k", "one"); err != nil {
				t.Error(err)
			}
		}
		for _, k := range []*idempotency.Keys{a, b} {
			if err := k.Bind(t.Context(), "k", "two"); !errors.Is(err, idempotency.ErrOtherBody) {
				t.Errorf("another body: %v", err)
			}
		}
		if err := b.Bind(t.Context(), "other", "two"); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatAnotherProgramWroteBindsNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		k := idempotency.New(r.Client)
		key := redistest.Names.GatewayBody("k")
		for name, write := range map[string]func(ctx context.Context) error{
			"text": func(ctx context.Context) error { return r.Client.Set(ctx, key, "garbage", 0).Err() },
			"list": func(ctx context.Context) error { return r.Client.RPush(ctx, key, "garbage").Err() },
		} {
			r.Client.Del(t.Context(), key)
			if err := write(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := k.Bind(t.Context(), "k", "one"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := k.Bind(t.Context(), "k", "two"); !errors.Is(err, idempotency.ErrOtherBody) {
				t.Errorf("%s: then another body: %v", name, err)
			}
			if left := r.Client.TTL(t.Context(), key).Val(); left <= 0 || left > idempotency.TTL {
				t.Errorf("%s: it stays for %s", name, left)
			}
		}
	})
}

func TestWithoutRedisNothingIsRefused(t *testing.T) {
	r := redistest.Mini(t)
	r.Stop(t)
	if err := idempotency.New(r.Client).Bind(t.Context(), "k", "one"); err == nil || errors.Is(err, idempotency.ErrOtherBody) {
		t.Errorf("got %v", err)
	}
}
