package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// stats counts what happened, by name: a campaign in which nothing happens shows nothing.
type stats map[string]uint64

func (s *stats) add(other stats) {
	if *s == nil {
		*s = stats{}
	}
	for name, n := range other {
		(*s)[name] += n
	}
}

func (s stats) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, s[name]))
	}
	return strings.Join(parts, ", ")
}

// wantEverything wants each thing that a campaign is to show at least once in ten schedules or so.
func (s stats) wantEverything(t *testing.T, schedules uint64) {
	if schedules < 1000 {
		return
	}
	for _, name := range []string{
		"opened", "executed at its place", "ended", "barred", "kept out by a bar", "ended, sealed by a stranger", "waited",
		"restarts", "replayed after a restart",
		"executed later, readable and public", "wrong parent", "false base fee", "fork", "unopenable", "base fee raised",
	} {
		if s[name] < schedules/50 {
			t.Errorf("%s: %d times in %d schedules", name, s[name], schedules)
		}
	}
	for name := range forbidden {
		if s["refused: "+name] < schedules/50 {
			t.Errorf("%s: tried %d times in %d schedules", name, s["refused: "+name], schedules)
		}
	}
}
