package devnet

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	// flagRow is a row of docs/configuration.md: flag and default.
	flagRow = regexp.MustCompile("(?m)^\\| `(--[a-z-]+)` \\| [^|]* \\| `?([^|`]*)`? \\|")
	// said is a flag with its default in brackets.
	said = regexp.MustCompile("`(--[a-z-]+)` \\(`?([^)`]+)`?")
)

// TestTheTableOfPortsIsTrue: docs/security.md names every port, and no default that is none.
func TestTheTableOfPortsIsTrue(t *testing.T) {
	read := func(page string) string {
		text, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	defaults := map[string]bool{} // "flag value"
	_, page, _ := strings.Cut(read("security.md"), "\n## Every port")
	page, _, _ = strings.Cut(page, "\n## ")
	for _, row := range flagRow.FindAllStringSubmatch(read("configuration.md"), -1) {
		flag, value := row[1], strings.TrimSpace(row[2])
		defaults[flag+" "+readable(value)] = true
		if strings.HasPrefix(value, "127.0.0.1:") && !strings.Contains(page, value) {
			t.Errorf("the table has no port %s (%s)", value, flag)
		}
	}
	found := said.FindAllStringSubmatch(page, -1)
	for _, f := range found {
		value, _, _ := strings.Cut(f[2], " of ")
		if !defaults[f[1]+" "+value] {
			t.Errorf("%s is not %s by default", f[1], value)
		}
	}
	if len(defaults) < 50 || len(found) < 20 {
		t.Errorf("%d defaults, of which the table says %d: the pages are written otherwise than this test reads them", len(defaults), len(found))
	}
}

// readable is a default as the page writes it: mebibytes, thousands with a comma, none for nothing.
func readable(value string) string {
	n, err := strconv.Atoi(value)
	switch {
	case value == "":
		return "none"
	case err != nil || n < 1000:
		return value
	case n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + " MiB"
	}
	return strconv.Itoa(n/1000) + "," + value[len(value)-3:]
}
