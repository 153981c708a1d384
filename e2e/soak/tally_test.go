package soak

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const (
	green = `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"fine\n"}
{"Action":"pass","Test":"TestA","Elapsed":1.5}
{"Action":"skip","Test":"TestB"}
{"Action":"pass"}
`
	red = `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"it broke here\n"}
{"Action":"fail","Test":"TestA","Elapsed":2}
{"Action":"pass","Test":"TestB"}
{"Action":"fail"}
`
	redAgain = `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"and there\n"}
{"Action":"fail","Test":"TestA"}
{"Action":"fail"}
`
	died = `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"panic: no memory\n"}
`
	noTest = `{"Action":"output","Output":"redis-server is missing\n"}
{"Action":"fail"}
`
)

func add(t *testing.T, tally *Tally, events string, ended error) Totals {
	t.Helper()
	return tally.Add("e2e", strings.NewReader(events), func() error { return ended }, func() bool { return false })
}

func TestTallyCountsRunsAndKeepsTheFirstFailure(t *testing.T) {
	tally, exit := NewTally(), errors.New("exit status 1")
	if got := add(t, tally, green, nil); got != (Totals{Passed: 1, Skipped: 1}) {
		t.Errorf("got %+v", got)
	}
	add(t, tally, red, exit)
	if got := add(t, tally, redAgain, exit); got != (Totals{Failed: 1}) {
		t.Errorf("got %+v", got)
	}
	var out bytes.Buffer
	tally.Write(&out)
	for _, want := range []string{
		"     3      2      0        2s  e2e TestA\n", "     2      0      1        0s  e2e TestB\n",
		"--- first failure of e2e TestA\nit broke here\n", "2 tests, 5 runs, 2 failures\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "and there") || tally.Failures() != 2 {
		t.Errorf("%d failures:\n%s", tally.Failures(), &out)
	}
}

func TestASuiteThatDiesIsAFailure(t *testing.T) {
	for name, c := range map[string]struct{ events, want string }{
		"under a test": {died, "--- first failure of e2e TestA\npanic: no memory\n"},
		"without JSON": {"panic: at the start\n" + noTest, "--- first failure of e2e (the whole suite)\npanic: at the start\n"},
		"before any":   {noTest, "--- first failure of e2e (the whole suite)\nredis-server is missing\n"},
	} {
		tally := NewTally()
		if got := add(t, tally, c.events, errors.New("exit status 2")); got.Failed != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		var out bytes.Buffer
		if tally.Write(&out); !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: no %q in:\n%s", name, c.want, &out)
		}
	}
}

func TestWhatIsCutOffIsNoFailure(t *testing.T) {
	tally := NewTally()
	add(t, tally, red, errors.New("exit status 1"))
	killed := func() error { return errors.New("signal: killed") }
	got := tally.Add("e2e", strings.NewReader(died), killed, func() bool { return true })
	if got != (Totals{CutOff: 1}) || tally.Failures() != 1 {
		t.Errorf("%+v, %d failures", got, tally.Failures())
	}
	if got := add(t, tally, green, nil); got != (Totals{Passed: 1, Skipped: 1}) {
		t.Errorf("the next run: %+v", got)
	}
}

func TestOutputIsBounded(t *testing.T) {
	var b strings.Builder
	for range 100_000 {
		keep(&b, "a line of output\n")
	}
	if keep(&b, "the last\n"); b.Len() > 2*maxOutput+100 || !strings.HasSuffix(b.String(), "the last\n") {
		t.Errorf("%d bytes kept", b.Len())
	}
}
