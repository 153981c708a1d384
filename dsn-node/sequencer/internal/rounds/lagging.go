package rounds

import (
	"fmt"
	"strings"
	"time"
)

// saidBehind is how far a keyholder is behind when a person is told. One that is far away is always some numbers behind.
const saidBehind = 100

// lagging is which keyholders do not keep up, also while nothing waits for them.
type lagging struct {
	keyholders []Keyholder
	reasons    []string
	since      []time.Time
}

func newLagging(keyholders []Keyholder) *lagging {
	return &lagging{keyholders, make([]string, len(keyholders)), make([]time.Time, len(keyholders))}
}

// look takes in what is wrong with a keyholder, if anything, and how far it is behind.
func (l *lagging) look(by uint8, trouble string, behind uint64, now time.Time) {
	reason := trouble
	if reason == "" && behind >= saidBehind {
		reason = "it is behind" // by how much is a metric: a text that changes with each number would say no more
	}
	switch {
	case reason == "":
		l.since[by] = time.Time{}
	case l.since[by].IsZero():
		l.since[by] = now
	}
	l.reasons[by] = reason
}

// text names those that do not keep up, with the reason and since when.
func (l *lagging) text() string {
	var all []string
	for i, reason := range l.reasons {
		if reason != "" {
			all = append(all, fmt.Sprintf("%d at %s: %s, since %s", i, l.keyholders[i].Name, reason, l.since[i].UTC().Format(time.RFC3339)))
		}
	}
	return strings.Join(all, "; ")
}
