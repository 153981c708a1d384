package rounds

import (
	"strings"
	"testing"
	"time"
)

func TestKeyholdersThatDoNotKeepUpAreNamedWithSinceWhen(t *testing.T) {
	l := newLagging([]Keyholder{{Name: "a:1"}, {Name: "b:1"}})
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l.look(0, "", saidBehind-1, first)
	l.look(1, "connection refused", 0, first)
	if got, want := l.text(), "1 at b:1: connection refused, since 2026-01-02T03:04:05Z"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	l.look(0, "", saidBehind, first.Add(time.Hour))
	l.look(1, "", saidBehind, first.Add(time.Hour)) // it is back, and still has to catch up
	if got, want := l.text(), "0 at a:1: it is behind, since 2026-01-02T04:04:05Z; 1 at b:1: it is behind, since 2026-01-02T03:04:05Z"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	l.look(0, "", 0, first)
	l.look(1, "", 0, first)
	if got := l.text(); got != "" {
		t.Errorf("%q though all keep up", got)
	}
	l.look(1, "away", 0, first.Add(2*time.Hour))
	if got := l.text(); !strings.HasSuffix(got, "since 2026-01-02T05:04:05Z") {
		t.Errorf("%q counts from the time before it was back", got)
	}
}
