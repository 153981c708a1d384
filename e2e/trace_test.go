package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/otlp"
	"blindseq/e2e/rest"
)

func TestOneBlockIsOneTrace(t *testing.T) {
	t.Parallel()
	receiver, err := otlp.Start()
	must(t, err)
	t.Cleanup(receiver.Close)
	c := start(t, cluster.Options{
		OTLP: receiver.URL(),
		Args: map[string][]string{cluster.Producer: {"--time-between-blocks", "none"}},
	})
	api := rest.New(c.REST, 1)
	t.Cleanup(api.Close)
	_, err = api.ProduceBlock(t.Context(), "traced", "")
	must(t, err)

	want := []string{cluster.DSN, cluster.Monitor, cluster.Producer, cluster.Proposer}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	spans, err := receiver.Await(ctx, func(spans []otlp.Span) bool { return traceOver(spans, want) != "" })
	if err != nil {
		for trace, services := range servicesOf(spans) {
			t.Logf("trace %s: %v", trace, slices.Sorted(maps.Keys(services)))
		}
		t.Fatalf("%v: no trace has spans of all of %v", err, want)
	}
	trace := traceOver(spans, want)
	for _, s := range spans {
		if s.Trace == trace {
			t.Logf("%-14s %s", s.Service, s.Name)
		}
	}
}

// traceOver finds a trace in which all services took part.
func traceOver(spans []otlp.Span, services []string) string {
	for trace, found := range servicesOf(spans) {
		if !slices.ContainsFunc(services, func(s string) bool { return !found[s] }) {
			return trace
		}
	}
	return ""
}

func servicesOf(spans []otlp.Span) map[string]map[string]bool {
	byTrace := map[string]map[string]bool{}
	for _, s := range spans {
		if byTrace[s.Trace] == nil {
			byTrace[s.Trace] = map[string]bool{}
		}
		name, _, _ := strings.Cut(s.Service, " ") // "dsn-node sequencer"
		byTrace[s.Trace][name] = true
	}
	return byTrace
}
