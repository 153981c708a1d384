package core

import (
	"errors"
	"testing"
	"time"

	"blindseq/seal/rules"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// at is a proposal of that time.
func at(number uint64, variant byte, t time.Time) Proposal {
	p := proposal(number, variant)
	p.Content.Timestamp = timestamppb.New(t)
	return p
}

// What was accepted stays, whatever the clock says later.
func TestATimestampIsJudgedBeforeItsContentIsAcceptedAndNeverAfter(t *testing.T) {
	now := time.Unix(1_000_000_000, 0)
	o := options(t.TempDir())
	o.Now, o.MaxAhead = func() time.Time { return now }, 15*time.Second
	c := open(t, o)
	for _, ahead := range []time.Duration{16 * time.Second, 30 * 24 * time.Hour} {
		if _, err := c.Submit(t.Context(), at(1, 0, now.Add(ahead))); !errors.Is(err, rules.ErrClock) || c.Accepted() != 0 {
			t.Fatalf("%s ahead: %v; accepted %d", ahead, err, c.Accepted())
		}
	}
	if _, err := c.Submit(t.Context(), at(7, 0, now.Add(time.Hour))); errors.Is(err, rules.ErrClock) {
		t.Fatalf("a number that is not the next one: %v", err)
	}
	first := at(1, 0, now.Add(15*time.Second))
	if a := submit(t, c, first); a.Verdict != Accepted {
		t.Fatalf("within the bound: %+v", a)
	}
	now = now.Add(-time.Hour) // the clock was wrong, and is set
	for what, p := range map[string]Proposal{"the same again": first, "another, far ahead": at(1, 1, now.Add(time.Hour*48))} {
		a := submit(t, c, p)
		if want := map[string]Verdict{"the same again": Repeated}[what]; want == Repeated && a.Verdict != Repeated || want != Repeated && a.Verdict != Conflicting {
			t.Errorf("%s: %+v", what, a)
		}
	}
	recovered := at(2, 0, now.Add(2*time.Hour))
	recovered.Recovered = true
	if a := submit(t, c, recovered); a.Verdict != Accepted {
		t.Fatalf("what keyholders attested: %+v", a)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c = open(t, o); c.Last() != 2 {
		t.Fatalf("last is %d after reopening", c.Last())
	}
}
