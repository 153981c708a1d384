package traces

import (
	"encoding/binary"
	"slices"
	"testing"

	"blindseq/kit/telemetry"

	"go.opentelemetry.io/otel/trace"
)

func traced(t *testing.T, n uint64) telemetry.Trace {
	t.Helper()
	var span trace.SpanID
	binary.BigEndian.PutUint64(span[:], n)
	at := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: span, TraceFlags: trace.FlagsSampled})
	return telemetry.TraceOf(trace.ContextWithSpanContext(t.Context(), at))
}

func TestWhatWaitsIsTakenOnceInOrder(t *testing.T) {
	var w Waiting
	for n := range uint64(3) {
		w.Add(traced(t, n+1))
	}
	w.Add(telemetry.Trace{}) // none
	w.Remove(traced(t, 2))
	if got, want := w.Take(), []telemetry.Trace{traced(t, 1), traced(t, 3)}; !slices.EqualFunc(got, want, telemetry.Trace.Is) {
		t.Errorf("got %v, want %v", got, want)
	}
	if again := w.Take(); len(again) != 0 {
		t.Errorf("taken again: %v", again)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var w Waiting
	for n := range uint64(2 * kept) {
		w.Add(traced(t, n+1))
	}
	if got := w.Take(); len(got) != kept || !got[0].Is(traced(t, 1)) {
		t.Errorf("%d wait, want the first %d", len(got), kept)
	}
}
