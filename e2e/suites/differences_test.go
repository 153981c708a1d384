package suites

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// result is what became of one test of a suite.
type result struct {
	failed  bool
	skipped bool
	text    string // the first lines of what went wrong
}

// known is a listed difference: the test of this name, or those whose names begin with what stands before a *, may fail.
type known struct {
	name, reason string
}

func (k known) covers(test string) bool {
	prefix, several := strings.CutSuffix(k.name, "*")
	return test == k.name || several && strings.HasPrefix(test, prefix)
}

// listed reads a file of the folder differences. Each line is the name of a test, two spaces or more, and the reason; a line
// that begins with # is a comment.
func listed(t *testing.T, file string) (all []known) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("differences", file))
	if err != nil {
		t.Fatal(err)
	}
	for number, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, found := strings.Cut(line, "  ")
		if !found {
			t.Fatalf("%s:%d: no reason: %s", file, number+1, line)
		}
		all = append(all, known{name, strings.TrimSpace(reason)})
	}
	return all
}

// checkListed fails the test for each failure that no file lists, and for each listed one that is none.
func checkListed(t *testing.T, results map[string]result, files ...string) {
	t.Helper()
	used := map[string]bool{}
	var all []known
	for _, file := range files {
		all = append(all, listed(t, file)...)
	}
	for _, name := range slices.Sorted(maps.Keys(results)) {
		if !results[name].failed {
			continue
		}
		i := slices.IndexFunc(all, func(k known) bool { return k.covers(name) })
		if i < 0 {
			t.Errorf("a difference that is not listed: %s\n%s", name, results[name].text)
			continue
		}
		used[all[i].name] = true
	}
	for _, k := range all {
		run, skipped := false, true
		for test, r := range results {
			if k.covers(test) {
				run, skipped = true, skipped && r.skipped
			}
		}
		switch {
		case !run:
			t.Errorf("%s is listed, but there is no such test", k.name)
		case !used[k.name] && !skipped && !strings.HasPrefix(k.reason, "sometimes: "):
			t.Errorf("%s is listed (%s), but succeeds", k.name, k.reason)
		}
	}
}

// table is one line for each node: how many of its tests succeeded, failed and were skipped.
func table(t *testing.T, suite string, nodes []string, results map[string]map[string]result) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-28s %-8s %6s %8s %8s %8s\n", "suite", "node", "tests", "succeed", "fail", "skipped")
	for _, node := range nodes {
		var failed, skipped int
		for _, r := range results[node] {
			switch {
			case r.failed:
				failed++
			case r.skipped:
				skipped++
			}
		}
		all := len(results[node])
		fmt.Fprintf(&b, "%-28s %-8s %6d %8d %8d %8d\n", suite, node, all, all-failed-skipped, failed, skipped)
	}
	t.Log(b.String())
}
