package monitor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"blindseq/kit/dsntest"
	"blindseq/kit/redistest"
	"blindseq/monitor-svc/internal/conflict"
	"blindseq/monitor-svc/internal/notices/noticestest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestOneRequestGivesExactlyOneEvent(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a, b := w.replica(), w.replica()
		w.following()
		w.following()
		onA, onB, other := a.next("r1", 1), b.next("r1", 1), b.next("r2", 1)
		noticestest.Ending(t, r, "r1")
		if err := a.notify("r1", empty); err != nil {
			t.Fatal(err)
		}
		a.expectNoPreblock(onA, "r1", empty)
		b.expectNoPreblock(onB, "r1", empty) // told on another replica
		w.dsn.Fix("r2")
		b.expectPreblock(other, 1, "r2")
		for _, m := range []*replica{a, b} { // a repeat answers the same, and on a replica that was not there
			m.expectPreblock(m.next("r2", 1), 1, "r2")
			m.expectNoPreblock(m.next("r1", 2), "r1", empty)
		}
		late := w.replica()
		w.following()
		late.expectNoPreblock(late.next("r1", 2), "r1", empty)
		late.expectPreblock(late.next("r2", 1), 1, "r2")
	})
}

func TestANoticeIsRecordedOnceAndNeverAfterThePreblock(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a, b := w.replica(), w.replica()
		w.following()
		w.following()
		noticestest.Ending(t, r, "r1")
		if err := a.notify("r1", empty); err != nil {
			t.Fatal(err)
		}
		if err := b.notify("r1", empty); err != nil {
			t.Errorf("a repeat: %v", err)
		}
		if err := b.notify("r1", locked); status.Code(err) != codes.AlreadyExists {
			t.Errorf("another reason: %v", err)
		}
		w.dsn.Fix("r2")
		b.expectPreblock(b.next("r2", 1), 1, "r2")
		if err := b.notify("r2", empty); status.Code(err) != codes.AlreadyExists {
			t.Errorf("after the preblock: %v", err)
		}
	})
}

func TestPreblocksFlowWithoutRedisAndNoticesAreFoundWhenItIsBack(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a, b := w.replica(), w.replica()
		w.following()
		w.following()
		r.Stop(t)
		waiting := a.next("r1", 1)
		if err := a.notify("r2", empty); status.Code(err) != codes.Unavailable {
			t.Errorf("a notice without Redis: %v", err)
		}
		w.dsn.Fix("r1")
		a.expectPreblock(waiting, 1, "r1")
		waiting = a.next("r2", 2)
		r.Start(t)
		if err := b.notify("r2", empty); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("for a request that is not ending: %v", err)
		}
		noticestest.Ending(t, r, "r2")
		if err := b.notify("r2", empty); err != nil {
			t.Fatal(err)
		}
		a.expectNoPreblock(waiting, "r2", empty)
	})
}

func TestNextTimeoutNamesWhatWasAwaited(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	w.following()
	_, err := a.Next(t.Context(), &preblockv1.NextRequest{RequestId: "r7", Number: 12, Timeout: seconds(0.05)})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"preblock 12", "request r7", "50ms", "last preblock is 0", "connected"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if n := a.waiters(); n != 0 {
		t.Errorf("%d waiters are left", n)
	}
}

func TestABrokenStreamIsResumedWithoutAGap(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	w.dsn.Fix("r1")
	a := w.replica()
	if from := w.following(); from != 2 {
		t.Fatalf("the first stream begins at %d", from)
	}
	feed := a.stream(1)
	expect := func(n uint64) {
		t.Helper()
		res, err := feed.Recv()
		if err != nil || res.Preblock.Content.Number != n {
			t.Fatalf("the feed has %v, %v instead of %d", res, err, n)
		}
	}
	expect(1)
	for n := uint64(2); n <= 6; n++ {
		w.dsn.Fix(fmt.Sprint("r", n))
		switch n {
		case 3:
			w.dsn.Break()
		case 5: // restarted, and more was fixed meanwhile
			w.dsn.Down()
			a.eventually("the break is noticed", func() bool { return !a.status().DsnConnected })
			if reason := a.s.Health.Ready()["dsn"]; reason == "" {
				t.Error("readyz does not say that the DSN is away")
			}
			if a.s.Health.Since()["dsn"].IsZero() {
				t.Error("readyz does not say since when")
			}
			w.dsn.Fix("r6")
			w.dsn.Up()
			n++
		}
	}
	for n := uint64(2); n <= 6; n++ {
		expect(n)
	}
	a.expectPreblock(a.next("x", 6), 6, "r6")
	a.eventually("connected again", func() bool { return a.status().DsnConnected && len(a.s.Health.Ready()) == 0 })
}

func TestWhatTheDSNWaitsForIsShownAndTheReplicaStaysReady(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	w.dsn.Fix("r1")
	w.dsn.Wait("preblock 2 waits for attestations: 2 of 3")
	a.eventually("the reason", func() bool { return a.s.Health.Notes()["production"] != "" })
	if s := a.status(); s.DsnWaiting != "preblock 2 waits for attestations: 2 of 3" || s.DsnAcceptedNumber != 1 {
		t.Errorf("status %v", s)
	}
	if reasons := a.s.Health.Ready(); len(reasons) > 0 {
		t.Errorf("not ready: %v", reasons)
	}
	_, err := a.Next(t.Context(), &preblockv1.NextRequest{RequestId: "r2", Number: 2, Timeout: seconds(.01)})
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "attestations: 2 of 3") {
		t.Errorf("a caller that waited in vain is told %v", err)
	}
	w.dsn.Wait("")
	a.eventually("the reason's end", func() bool { return a.status().DsnWaiting == "" && len(a.s.Health.Notes()) == 0 })
}

func TestADSNThatIsAwayAtTheStartIsFollowedLater(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	w.dsn.Fix("r1")
	w.dsn.Down()
	a := w.replica()
	old, live := a.next("x", 1), a.next("y", 2)
	if _, err := a.stream(1).Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a stream: %v", err)
	}
	if _, err := a.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); status.Code(err) != codes.Unavailable {
		t.Errorf("a preblock: %v", err)
	}
	w.dsn.Up()
	a.expectPreblock(old, 1, "r1") // fetched
	w.dsn.Fix("r2")
	a.expectPreblock(live, 2, "r2")
}

func TestPreblocksOutOfOrderAreHeldUntilTheGapIsFetched(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	w.following()
	for n := range 3 {
		last := w.dsn.FixHidden(fmt.Sprint("r", n+1))
		if n == 2 {
			w.dsn.Send(last) // the stream has 3 and nothing before it
		}
	}
	for n := uint64(1); n <= 3; n++ {
		a.expectPreblock(a.next("x", n), n, fmt.Sprint("r", n))
	}
	w.dsn.Fix("r4")
	a.expectPreblock(a.next("x", 4), 4, "r4")
	if len(w.dsn.From) != 0 {
		t.Error("the stream was broken instead")
	}
}

func TestADuplicateIsDroppedAndAForgedOneRefused(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	w.following()
	one := w.dsn.Fix("r1")
	a.expectPreblock(a.next("r1", 1), 1, "r1")
	w.dsn.Send(one)
	forged := dsntest.Preblock(2, "r2")
	forged.ContentHash[0] ^= 1
	w.dsn.Send(forged)
	if from := w.following(); from != 2 {
		t.Errorf("after the forged one the stream begins at %d", from)
	}
	w.dsn.Fix("r2")
	a.expectPreblock(a.next("r2", 2), 2, "r2")
}

func TestConflictingPreblocksHalt(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a := w.replica()
		w.following()
		first := w.dsn.Fix("r1")
		a.expectPreblock(a.next("r1", 1), 1, "r1")
		waiting, feed := a.next("r2", 2), a.stream(2)
		second := dsntest.Preblock(1, "other", 9)
		w.dsn.Send(second)
		if got := receive(t, waiting, "answer"); status.Code(got.err) != codes.FailedPrecondition {
			t.Errorf("the waiter got %v", got)
		}
		if _, err := feed.Recv(); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("the stream ended with %v", err)
		}
		if got := receive(t, a.next("r1", 1), "answer"); status.Code(got.err) != codes.FailedPrecondition {
			t.Errorf("later %v", got)
		}
		if s := a.status(); !strings.Contains(s.Halted, "number 1") || !strings.Contains(a.s.Health.Ready()["preblocks"], "number 1") {
			t.Errorf("status %v, readiness %v", s, a.s.Health.Ready())
		}
		var record conflict.Record
		a.eventually("record of the conflict", func() bool {
			value, err := r.Client.Get(t.Context(), redistest.Names.MonitorConflict(1)).Bytes()
			return err == nil && json.Unmarshal(value, &record) == nil
		})
		if record.FirstHash != fmt.Sprintf("%x", first.ContentHash) || record.SecondHash != fmt.Sprintf("%x", second.ContentHash) ||
			len(record.First) == 0 || len(record.Second) == 0 {
			t.Errorf("record of the conflict %+v", record)
		}
	})
}

func TestAFeedReplaysWhatIsNotKeptAndGoesOnLive(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	const old, all = 3000, 3200
	for n := range old {
		w.dsn.Fix(fmt.Sprint("r", n+1))
	}
	a := w.replica()
	w.following()
	feed := a.stream(1)
	for n := uint64(1); n <= all; n++ {
		if n <= all-old {
			w.dsn.Fix(fmt.Sprint("r", old+n))
		}
		res, err := feed.Recv()
		if err != nil || res.Preblock.Content.Number != n {
			t.Fatalf("the feed has %v, %v instead of %d", res, err, n)
		}
	}
	res, err := a.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 17})
	if err != nil || res.Preblock.RequestId != "r17" {
		t.Errorf("preblock 17: %v, %v", res, err)
	}
}

func TestStoppingEndsWaitersAndStreamsAtOnce(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	w.following()
	waiting, feed := a.next("r1", 1), a.stream(1)
	began := time.Now()
	a.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := receive(t, waiting, "answer"); status.Code(got.err) != codes.Unavailable {
		t.Errorf("the waiter got %v", got)
	}
	if _, err := feed.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	a := w.replica()
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"next, no id":            func() error { _, err := a.Next(ctx, &preblockv1.NextRequest{Number: 1}); return err },
		"next, bad id":           func() error { _, err := a.Next(ctx, &preblockv1.NextRequest{RequestId: "a b", Number: 1}); return err },
		"next, number 0":         func() error { _, err := a.Next(ctx, &preblockv1.NextRequest{RequestId: "a"}); return err },
		"notify, no id":          func() error { return a.notify("", empty) },
		"notify, no reason":      func() error { return a.notify("a", 0) },
		"notify, unknown reason": func() error { return a.notify("a", 77) },
		"get 0":                  func() error { _, err := a.GetPreblock(ctx, &preblockv1.GetPreblockRequest{}); return err },
		"stream from 0":          func() error { _, err := a.stream(0).Recv(); return err },
		"next, negative timeout": func() error {
			_, err := a.Next(ctx, &preblockv1.NextRequest{RequestId: "a", Number: 1, Timeout: &durationpb.Duration{Seconds: -1}})
			return err
		},
	} {
		if err := call(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := a.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: 5})
	if status.Code(err) != codes.NotFound {
		t.Errorf("a preblock that is not fixed: %v", err)
	}
}
