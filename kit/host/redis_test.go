package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"blindseq/kit/config"
	"blindseq/kit/redistest"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// watched is a host with a watch of a Redis, and its log.
func watched(t *testing.T, r redistest.Redis) (*redisWatch, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	h := New(t.Context(), &config.Common{}, slog.New(slog.NewTextHandler(&log, nil)))
	return newRedisWatch(h, r.NewClient(t)), &log
}

func TestARedisThatCannotBeUsedIsSaidEverywhere(t *testing.T) {
	r := redistest.Real(t)
	config := func(policy string) {
		t.Helper()
		if err := r.Client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Client.ConfigSet(t.Context(), "maxmemory", "100mb").Err(); err != nil {
		t.Fatal(err)
	}
	config("allkeys-lru")
	w, log := watched(t, r)
	for range 2 {
		w.probe(t.Context())
	}
	if said := w.Health.Ready()["redis"]; !strings.Contains(said, "maxmemory-policy noeviction") {
		t.Errorf("readiness says %q", said)
	}
	if n := strings.Count(log.String(), "Redis cannot be used"); n != 1 || !strings.Contains(log.String(), "reason=eviction") {
		t.Errorf("logged %d times:\n%s", n, log)
	}
	if got := testutil.ToFloat64(w.gauge.WithLabelValues("eviction")); got != 1 {
		t.Errorf("the metric is %v", got)
	}
	config("noeviction")
	w.probe(t.Context())
	if ready := w.Health.Ready(); len(ready) != 0 || !strings.Contains(log.String(), "Redis can be used again") {
		t.Errorf("repaired: %v\n%s", ready, log)
	}
	if got := testutil.CollectAndCount(w.gauge); got != 0 {
		t.Errorf("the metric has %d values", got)
	}
	config("allkeys-lru")
	w.probe(t.Context())
	if ready, notes := w.Health.Ready(), w.Health.Notes(); len(ready) != 0 || !strings.Contains(notes["redis"], "noeviction") {
		t.Errorf("a process that served before: not ready for %v, notes %v", ready, notes)
	}
}

func TestARedisThatIsAwayChangesNoReadiness(t *testing.T) {
	r := redistest.Mini(t)
	w, log := watched(t, r)
	r.Stop(t)
	w.probe(t.Context())
	if ready, notes := w.Health.Ready(), w.Health.Notes(); len(ready) != 0 || !strings.Contains(notes["redis"], "does not answer") || !strings.Contains(notes["redis"], ", since 20") {
		t.Errorf("not ready for %v, notes %v", ready, notes)
	}
	if log.Len() != 0 {
		t.Errorf("logged:\n%s", log)
	}
	r.Start(t)
	w.probe(t.Context())
	if notes := w.Health.Notes(); len(notes) != 0 {
		t.Errorf("notes %v", notes)
	}
}
