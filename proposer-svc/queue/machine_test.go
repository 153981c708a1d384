package queue_test

import (
	"errors"
	"reflect"
	"testing"

	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"
)

var by = queue.By{Token: 5}

// in returns a FIFO in which the requests named are queued, after the events given.
func in(t *testing.T, queued []string, events ...queue.Event) *queuetest.Memory {
	t.Helper()
	m := queuetest.NewMemory(queue.Limits{Queued: 3})
	m.SetLease(5)
	for _, id := range queued {
		do(t, m, queue.Enqueue{Request: queue.Request{ID: id, Timestamp: 10}})
	}
	for _, e := range events {
		do(t, m, e)
	}
	return m
}

func do(t *testing.T, m *queuetest.Memory, e queue.Event) queue.Request {
	t.Helper()
	r, err := m.Apply(e)
	if err != nil {
		t.Fatalf("%T %+v: %v", e, e, err)
	}
	return r
}

func start(id string, n uint64) queue.Event {
	return queue.Start{By: by, ID: id, Number: n, Hash: []byte{1}}
}

// TestTransitions is the table of the package comment: what happens to a request in a state, and what it becomes.
func TestTransitions(t *testing.T) {
	a := []string{"a", "b"}
	for _, c := range []struct {
		name   string
		before *queuetest.Memory
		event  queue.Event
		want   queue.Request // of "a"; Phase Unknown: not known
		err    error
	}{
		{"unknown is queued", in(t, nil), queue.Enqueue{Request: queue.Request{ID: "a", Timestamp: 10, Number: 9, Phase: queue.Processed}}, queue.Request{Phase: queue.Queued}, nil},
		{"full", in(t, []string{"x", "y", "z"}), queue.Enqueue{Request: queue.Request{ID: "a"}}, queue.Request{}, queue.ErrFull},
		{"a repeat changes nothing", in(t, a), queue.Enqueue{Request: queue.Request{ID: "a", Timestamp: 99}}, queue.Request{Phase: queue.Queued}, nil},
		{"a repeat in flight changes nothing", in(t, a, start("a", 4)), queue.Enqueue{Request: queue.Request{ID: "a"}}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"start", in(t, a), start("a", 4), queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"start without a number", in(t, a), start("a", 0), queue.Request{Phase: queue.Queued}, queue.ErrNoNumber},
		{"start out of turn", in(t, []string{"b", "a"}), start("a", 4), queue.Request{Phase: queue.Queued}, queue.ErrNotHead},
		{"start while another is in flight", in(t, []string{"b", "a"}, start("b", 4)), start("a", 5), queue.Request{Phase: queue.Queued}, queue.ErrBusy},
		{"start by a former active", in(t, a), queue.Start{By: queue.By{Token: 4}, ID: "a", Number: 4}, queue.Request{Phase: queue.Queued}, queue.ErrNotActive},
		{"refused in flight", in(t, a, start("a", 4)), queue.Refuse{By: by, ID: "a", Reason: 4}, queue.Request{Phase: queue.Ending, Number: 4, Attempt: 1, ContentHash: []byte{1}, Reason: 4}, nil},
		{"refused and announced", in(t, a, start("a", 4), queue.Refuse{By: by, ID: "a", Reason: 4}), queue.Announced{By: by, ID: "a"}, queue.Request{Phase: queue.Processed, Reason: 4}, nil},
		{"refused without a reason", in(t, a, start("a", 4)), queue.Refuse{By: by, ID: "a"}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, queue.ErrNoReason},
		{"refused while queued", in(t, a), queue.Refuse{By: by, ID: "a", Reason: 4}, queue.Request{Phase: queue.Queued}, queue.ErrNotCurrent},
		{"refused, but its preblock came", in(t, a, start("a", 4), queue.Refuse{By: by, ID: "a", Reason: 4}), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"retry", in(t, a, start("a", 4)), queue.Retry{By: by, ID: "a", Hash: []byte{2}}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 2, ContentHash: []byte{2}}, nil},
		{"retry of what is queued", in(t, a), queue.Retry{By: by, ID: "a"}, queue.Request{Phase: queue.Queued}, queue.ErrNotCurrent},
		{"retry of what is processed", in(t, a, start("a", 4), queue.Applied{ID: "a", Number: 4}), queue.Retry{By: by, ID: "a"}, queue.Request{Phase: queue.Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, queue.ErrNotCurrent},
		{"decline", in(t, a), queue.Decline{By: by, ID: "a", Reason: 2}, queue.Request{Phase: queue.Ending, Reason: 2}, nil},
		{"decline without a reason", in(t, a), queue.Decline{By: by, ID: "a"}, queue.Request{Phase: queue.Queued}, queue.ErrNoReason},
		{"decline in flight", in(t, a, start("a", 4)), queue.Decline{By: by, ID: "a", Reason: 1}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, queue.ErrBusy},
		{"announced", in(t, a, queue.Decline{By: by, ID: "a", Reason: 2}), queue.Announced{By: by, ID: "a"}, queue.Request{Phase: queue.Processed, Reason: 2}, nil},
		{"announced in flight", in(t, a, start("a", 4)), queue.Announced{By: by, ID: "a"}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, queue.ErrNotCurrent},
		{"applied", in(t, a, start("a", 4)), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"applied, only the number known: the DSN is asked whose it is", in(t, a, start("a", 4)), queue.Applied{Number: 6}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"an older number", in(t, a, start("a", 4)), queue.Applied{Number: 3}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"number 0", in(t, a, start("a", 4)), queue.Applied{}, queue.Request{Phase: queue.InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, queue.ErrNoNumber},
		{"its number went to another", in(t, a, start("a", 4)), queue.Applied{ID: "x", Number: 4}, queue.Request{Phase: queue.Queued}, nil},
		{"displaced and applied", in(t, a, start("a", 4), queue.Displace{By: by, ID: "a"}), queue.Applied{Number: 4}, queue.Request{Phase: queue.Queued}, nil},
		{"displaced by itself", in(t, a, start("a", 4), queue.Displace{By: by, ID: "a"}), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"applied while queued", in(t, []string{"b", "a"}), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4}, nil},
		{"applied while unknown", in(t, nil), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4}, nil},
		{"applied while ending", in(t, a, queue.Decline{By: by, ID: "a", Reason: 2}), queue.Applied{ID: "a", Number: 4}, queue.Request{Phase: queue.Processed, Number: 4}, nil},
		{"applied twice", in(t, a, start("a", 4), queue.Applied{ID: "a", Number: 4}), queue.Applied{ID: "a", Number: 5}, queue.Request{Phase: queue.Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
	} {
		_, err := c.before.Apply(c.event)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.err)
		}
		got := queue.Request{}
		if r := c.before.View("a").Known; r != nil {
			got = *r
			got.ID, got.Timestamp = "", 0
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRequestsAreServedInOrder(t *testing.T) {
	m := in(t, []string{"a", "b", "c"})
	for n, id := range []string{"a", "b", "c"} {
		do(t, m, start(id, uint64(n+1)))
		do(t, m, queue.Applied{ID: id, Number: uint64(n + 1)})
	}
	if m.View("").Head != nil {
		t.Fatal("something is left")
	}
}

func TestADisplacedRequestIsServedNext(t *testing.T) {
	m := in(t, []string{"a", "b"}, start("a", 4), queue.Applied{ID: "x", Number: 4})
	if v := m.View(""); v.Current != nil || v.Head.ID != "a" || v.Queued != 2 {
		t.Fatalf("view %+v", v)
	}
	do(t, m, start("a", 5))
}

func TestARefusedEventChangesNothing(t *testing.T) {
	m := in(t, []string{"a", "b", "c"}, start("a", 4))
	before := m.View("a")
	do(t, m, queue.Enqueue{Request: queue.Request{ID: "d"}})
	for _, e := range []queue.Event{start("b", 5), queue.Decline{By: by, ID: "b", Reason: 1}, queue.Announced{By: by, ID: "a"}, queue.Retry{By: by, ID: "b"}, queue.Applied{}, queue.Enqueue{Request: queue.Request{ID: "e"}}} {
		if _, err := m.Apply(e); err == nil {
			t.Errorf("%T %+v was not refused", e, e)
		}
	}
	before.Queued++
	if got := m.View("a"); !reflect.DeepEqual(got, before) {
		t.Fatalf("got %+v, want %+v", got, before)
	}
}
