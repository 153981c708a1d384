package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"blindseq/kit/telemetry"

	"go.opentelemetry.io/otel/trace"
)

const (
	id     = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent = "00-" + id + "-00f067aa0ba902b7-"
)

func TestJoinTakesTheTraceThatARequestNames(t *testing.T) {
	for name, one := range map[string]struct {
		headers http.Header
		want    string
	}{
		"one":              {http.Header{telemetry.Header: {parent + "01"}}, id},
		"none":             {nil, ""},
		"two":              {http.Header{telemetry.Header: {parent + "01", parent + "01"}}, ""},
		"malformed":        {http.Header{telemetry.Header: {"00-1-2-01"}}, ""},
		"not sampled":      {http.Header{telemetry.Header: {parent + "00"}}, ""},
		"of a WebSocket's": {http.Header{telemetry.Header: {parent + "01"}, "Upgrade": {"websocket"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.Header = one.headers
			joined, end := telemetry.Join(r, "test")
			defer end()
			got := ""
			if in := trace.SpanContextFromContext(joined.Context()); in.IsValid() {
				got = in.TraceID().String()
			}
			if got != one.want {
				t.Errorf("joined %q, want %q", got, one.want)
			}
			next := http.Header{}
			telemetry.Pass(joined.Context(), next)
			if passed := next.Get(telemetry.Header) != ""; passed != (one.want != "") {
				t.Errorf("passed on: %v", next)
			}
		})
	}
}
