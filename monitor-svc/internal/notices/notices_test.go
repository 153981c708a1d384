package notices

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"blindseq/kit/redistest"
	"blindseq/monitor-svc/internal/notices/noticestest"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// sink remembers what it was told.
type sink struct{ told []merge.Event }

func (s *sink) Do(in merge.Event)  { s.told = append(s.told, in) }
func (*sink) Waited(string) bool   { return true }
func (s *sink) Requests() []string { return nil }

func TestWrongValuesInRedisDoNotKeepARequestFromEnding(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		for id, write := range map[string]func(ctx context.Context, key string) error{
			"nothing":  func(context.Context, string) error { return nil },
			"a list":   func(ctx context.Context, key string) error { return r.Client.RPush(ctx, key, "x").Err() },
			"a text":   func(ctx context.Context, key string) error { return r.Client.Set(ctx, key, "x", 0).Err() },
			"no JSON":  func(ctx context.Context, key string) error { return r.Client.HSet(ctx, key, "no JSON", "x").Err() },
			"a number": func(ctx context.Context, key string) error { return r.Client.HSet(ctx, key, "a number", "7").Err() },
			"of another request": func(ctx context.Context, key string) error {
				return r.Client.HSet(ctx, key, "of another request", `{"request_id":"y"}`).Err()
			},
		} {
			for _, key := range []string{redistest.Names.MonitorNoPreblocks(), redistest.Names.MonitorNoPreblocksOlder()} {
				r.Client.Del(t.Context(), key)
				if err := write(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			noticestest.Ending(t, r, id)
			told := &sink{}
			n := New(r.NewClient(t), slog.New(slog.DiscardHandler))
			n.Follow(told)
			empty := merge.NoPreblock{RequestID: id, Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY}
			for range 2 { // a repeat is a success, also when the request has ended by then
				if err := n.Record(t.Context(), empty); err != nil {
					t.Errorf("%s: %v", id, err)
				}
				r.Client.Del(t.Context(), redistest.Names.EndingRequest())
			}
			other := merge.NoPreblock{RequestID: id, Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED}
			if err := n.Record(t.Context(), other); !errors.Is(err, ErrOtherReason) {
				t.Errorf("%s: another reason: %v", id, err)
			}
			if err := n.lookUp(t.Context()); err != nil {
				t.Error(err)
			}
			n.LookUp(id)
			if err := n.lookUp(t.Context()); err != nil || len(told.told) != 3 {
				t.Errorf("%s: told %d times, %v", id, len(told.told), err)
			}
		}
	})
}

// A monitor that was paused before it records must not end a request that is served again meanwhile.
func TestARequestThatIsNotEndingGetsNoNotice(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		n := New(r.NewClient(t), slog.New(slog.DiscardHandler))
		told := &sink{}
		n.Follow(told)
		for name, prepare := range map[string]func(){
			"none is ending":      func() {},
			"another's turn":      func() { noticestest.Ending(t, r, "other") },
			"the beginning of it": func() { noticestest.Ending(t, r, "ab") },
			"empty":               func() { noticestest.Ending(t, r, "") },
			"a list":              func() { r.Client.RPush(t.Context(), redistest.Names.EndingRequest(), "a") },
			"a hash":              func() { r.Client.HSet(t.Context(), redistest.Names.EndingRequest(), "a", "a") },
		} {
			r.Client.FlushAll(t.Context())
			prepare()
			err := n.Record(t.Context(), merge.NoPreblock{RequestID: "a", Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY})
			if !errors.Is(err, ErrNotEnding) {
				t.Errorf("%s: %v", name, err)
			}
			if left := r.Client.Exists(t.Context(), redistest.Names.MonitorNoPreblocks()).Val(); left != 0 || len(told.told) != 0 {
				t.Errorf("%s: a notice is there, told %v", name, told.told)
			}
		}
	})
}
