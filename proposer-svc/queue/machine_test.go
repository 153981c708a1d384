package queue

import (
	"errors"
	"reflect"
	"testing"
)

var by = By{Token: 5}

// in returns a FIFO in which the requests named are queued, after the events given.
func in(t *testing.T, queued []string, events ...Event) *Memory {
	t.Helper()
	m := NewMemory(Limits{Queued: 3})
	m.SetLease(5)
	for _, id := range queued {
		do(t, m, Enqueue{Request: Request{ID: id, Timestamp: 10}})
	}
	for _, e := range events {
		do(t, m, e)
	}
	return m
}

func do(t *testing.T, m *Memory, e Event) Request {
	t.Helper()
	r, err := m.Apply(e)
	if err != nil {
		t.Fatalf("%T %+v: %v", e, e, err)
	}
	return r
}

func start(id string, n uint64) Event { return Start{By: by, ID: id, Number: n, Hash: []byte{1}} }

// TestTransitions is the table of the package comment: what happens to a request in a state, and what it becomes.
func TestTransitions(t *testing.T) {
	a := []string{"a", "b"}
	for _, c := range []struct {
		name   string
		before *Memory
		event  Event
		want   Request // of "a"; Phase Unknown: not known
		err    error
	}{
		{"unknown is queued", in(t, nil), Enqueue{Request: Request{ID: "a", Timestamp: 10, Number: 9, Phase: Processed}}, Request{Phase: Queued}, nil},
		{"full", in(t, []string{"x", "y", "z"}), Enqueue{Request: Request{ID: "a"}}, Request{}, ErrFull},
		{"a repeat changes nothing", in(t, a), Enqueue{Request: Request{ID: "a", Timestamp: 99}}, Request{Phase: Queued}, nil},
		{"a repeat in flight changes nothing", in(t, a, start("a", 4)), Enqueue{Request: Request{ID: "a"}}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"start", in(t, a), start("a", 4), Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"start without a number", in(t, a), start("a", 0), Request{Phase: Queued}, ErrNoNumber},
		{"start out of turn", in(t, []string{"b", "a"}), start("a", 4), Request{Phase: Queued}, ErrNotHead},
		{"start while another is in flight", in(t, []string{"b", "a"}, start("b", 4)), start("a", 5), Request{Phase: Queued}, ErrBusy},
		{"start by a former active", in(t, a), Start{By: By{Token: 4}, ID: "a", Number: 4}, Request{Phase: Queued}, ErrNotActive},
		{"retry", in(t, a, start("a", 4)), Retry{By: by, ID: "a", Hash: []byte{2}}, Request{Phase: InFlight, Number: 4, Attempt: 2, ContentHash: []byte{2}}, nil},
		{"retry of what is queued", in(t, a), Retry{By: by, ID: "a"}, Request{Phase: Queued}, ErrNotCurrent},
		{"retry of what is processed", in(t, a, start("a", 4), Applied{ID: "a", Number: 4}), Retry{By: by, ID: "a"}, Request{Phase: Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, ErrNotCurrent},
		{"decline", in(t, a), Decline{By: by, ID: "a", Reason: 2}, Request{Phase: Ending, Reason: 2}, nil},
		{"decline without a reason", in(t, a), Decline{By: by, ID: "a"}, Request{Phase: Queued}, ErrNoReason},
		{"decline in flight", in(t, a, start("a", 4)), Decline{By: by, ID: "a", Reason: 1}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, ErrBusy},
		{"announced", in(t, a, Decline{By: by, ID: "a", Reason: 2}), Announced{By: by, ID: "a"}, Request{Phase: Processed, Reason: 2}, nil},
		{"announced in flight", in(t, a, start("a", 4)), Announced{By: by, ID: "a"}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, ErrNotCurrent},
		{"applied", in(t, a, start("a", 4)), Applied{ID: "a", Number: 4}, Request{Phase: Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"applied, only the number known: the DSN is asked whose it is", in(t, a, start("a", 4)), Applied{Number: 6}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"an older number", in(t, a, start("a", 4)), Applied{Number: 3}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"number 0", in(t, a, start("a", 4)), Applied{}, Request{Phase: InFlight, Number: 4, Attempt: 1, ContentHash: []byte{1}}, ErrNoNumber},
		{"its number went to another", in(t, a, start("a", 4)), Applied{ID: "x", Number: 4}, Request{Phase: Queued}, nil},
		{"displaced and applied", in(t, a, start("a", 4), Displace{By: by, ID: "a"}), Applied{Number: 4}, Request{Phase: Queued}, nil},
		{"displaced by itself", in(t, a, start("a", 4), Displace{By: by, ID: "a"}), Applied{ID: "a", Number: 4}, Request{Phase: Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
		{"applied while queued", in(t, []string{"b", "a"}), Applied{ID: "a", Number: 4}, Request{Phase: Processed, Number: 4}, nil},
		{"applied while unknown", in(t, nil), Applied{ID: "a", Number: 4}, Request{Phase: Processed, Number: 4}, nil},
		{"applied while ending", in(t, a, Decline{By: by, ID: "a", Reason: 2}), Applied{ID: "a", Number: 4}, Request{Phase: Processed, Number: 4}, nil},
		{"applied twice", in(t, a, start("a", 4), Applied{ID: "a", Number: 4}), Applied{ID: "a", Number: 5}, Request{Phase: Processed, Number: 4, Attempt: 1, ContentHash: []byte{1}}, nil},
	} {
		_, err := c.before.Apply(c.event)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.err)
		}
		got := Request{}
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
		do(t, m, Applied{ID: id, Number: uint64(n + 1)})
	}
	if m.View("").Head != nil {
		t.Fatal("something is left")
	}
}

func TestADisplacedRequestIsServedNext(t *testing.T) {
	m := in(t, []string{"a", "b"}, start("a", 4), Applied{ID: "x", Number: 4})
	if v := m.View(""); v.Current != nil || v.Head.ID != "a" || v.Queued != 2 {
		t.Fatalf("view %+v", v)
	}
	do(t, m, start("a", 5))
}

func TestARefusedEventChangesNothing(t *testing.T) {
	m := in(t, []string{"a", "b", "c"}, start("a", 4))
	before := m.View("a")
	do(t, m, Enqueue{Request: Request{ID: "d"}})
	for _, e := range []Event{start("b", 5), Decline{By: by, ID: "b", Reason: 1}, Announced{By: by, ID: "a"}, Retry{By: by, ID: "b"}, Applied{}, Enqueue{Request: Request{ID: "e"}}} {
		if _, err := m.Apply(e); err == nil {
			t.Errorf("%T %+v was not refused", e, e)
		}
	}
	before.Queued++
	if got := m.View("a"); !reflect.DeepEqual(got, before) {
		t.Fatalf("got %+v, want %+v", got, before)
	}
}
