// Package soak repeats test suites for a given time and counts how often each test failed.
package soak

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Event is a line of `go tool test2json`.
type Event struct {
	Action  string
	Test    string
	Output  string
	Elapsed float64
}

// maxOutput bounds what is kept of a failed test, and of one that runs: its last lines tell why it failed.
const maxOutput = 64 << 10

// Tally counts the runs of tests.
type Tally struct {
	tests   map[string]*count
	running map[string]*strings.Builder // output so far, by test
}

type count struct {
	runs, failed, skipped int
	slowest               time.Duration
	first                 string // output of the first failure
}

// NewTally returns an empty tally.
func NewTally() *Tally {
	return &Tally{tests: map[string]*count{}, running: map[string]*strings.Builder{}}
}

// Totals count how the tests of one run of a suite ended.
type Totals struct{ Passed, Failed, Skipped, CutOff int }

// Add counts one run of a suite: the events of test2json. ended waits for the suite's process and returns its error. A suite
// that ends with an error while none of its tests failed, or that leaves tests running, is counted as a failure of its own,
// unless cutOff says that it was killed at the end of the soak. A line that is no event is output of the suite.
func (t *Tally) Add(suite string, events io.Reader, ended func() error, cutOff func() bool) (total Totals) {
	var rest strings.Builder // output of no test
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		t.line(suite, line, &rest, &total)
		if err != nil { // the process's own error says why
			break
		}
	}
	err := ended()
	if cutOff() {
		total.CutOff = len(t.running)
		clear(t.running)
		return total
	}
	for name, output := range t.running { // the process died under them
		t.finished(name, output.String(), func(c *count) { c.failed++ })
		total.Failed++
	}
	clear(t.running)
	if err != nil && total.Failed == 0 {
		t.suiteFailed(suite, rest.String()+err.Error())
		total.Failed++
	}
	return total
}

func (t *Tally) line(suite, line string, rest *strings.Builder, total *Totals) {
	var e Event
	switch err := json.Unmarshal([]byte(line), &e); {
	case err != nil:
		keep(rest, line)
	case e.Test == "":
		keep(rest, e.Output)
	default:
		t.event(suite+" "+e.Test, e, total)
	}
}

// suiteFailed counts a failure that is none of one test.
func (t *Tally) suiteFailed(suite, output string) {
	t.finished(suite+" (the whole suite)", output, func(c *count) { c.failed++ })
}

func (t *Tally) event(name string, e Event, total *Totals) {
	output := t.running[name]
	if output == nil {
		output = new(strings.Builder)
		t.running[name] = output
	}
	end := func(f func(*count)) {
		t.finished(name, output.String(), func(c *count) {
			c.slowest = max(c.slowest, time.Duration(e.Elapsed*float64(time.Second)))
			f(c)
		})
		delete(t.running, name)
	}
	switch e.Action {
	case "output":
		keep(output, e.Output)
	case "pass":
		total.Passed++
		end(func(*count) {})
	case "skip":
		total.Skipped++
		end(func(c *count) { c.skipped++ })
	case "fail":
		total.Failed++
		end(func(c *count) { c.failed++ })
	}
}

func (t *Tally) finished(name, output string, f func(*count)) {
	c := t.tests[name]
	if c == nil {
		c = new(count)
		t.tests[name] = c
	}
	before := c.failed
	c.runs++
	if f(c); c.failed > 0 && before == 0 {
		c.first = output
	}
}

// keep appends a line, and forgets the oldest beyond the bound.
func keep(b *strings.Builder, line string) {
	b.WriteString(line)
	if b.Len() > 2*maxOutput {
		last := b.String()[b.Len()-maxOutput:]
		b.Reset()
		b.WriteString(last)
	}
}

// Failures is how many runs of tests failed.
func (t *Tally) Failures() (n int) {
	for _, c := range t.tests {
		n += c.failed
	}
	return n
}

// Write writes a line for each test, those that failed most first, and then the first output of each failure.
func (t *Tally) Write(out io.Writer) {
	var names []string
	for name := range t.tests {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := t.tests[b].failed - t.tests[a].failed; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	runs := 0
	fmt.Fprintf(out, "%6s %6s %6s %9s  %s\n", "runs", "failed", "skipped", "slowest", "test")
	for _, name := range names {
		c := t.tests[name]
		runs += c.runs
		fmt.Fprintf(out, "%6d %6d %6d %9s  %s\n", c.runs, c.failed, c.skipped, c.slowest.Round(10*time.Millisecond), name)
	}
	for _, name := range names {
		if c := t.tests[name]; c.failed > 0 {
			fmt.Fprintf(out, "\n--- first failure of %s\n%s\n", name, strings.TrimRight(c.first, "\n"))
		}
	}
	fmt.Fprintf(out, "\n%d tests, %d runs, %d failures\n", len(names), runs, t.Failures())
}
