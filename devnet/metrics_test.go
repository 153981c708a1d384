package devnet

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const metricsPage = "../docs/metrics.md"

const metricsIntro = `# Metrics

Every service serves Prometheus metrics at ` + "`/metrics`" + ` of its ` + "`--http-address`" + `, besides those of the Go runtime and the
process. This page is made from the code by ` + "`make docs`" + `, and a test fails when it is out of date.

| metric | |
|---|---|
`

// definition matches a metric's name and its help where they are given, one after the other.
var definition = regexp.MustCompile(`"(blindseq_[a-z0-9_]+)",(?:\s*Buckets: [^\n]*,)?\s*(?:Help:\s*)?"([^"]+)"`)

// mention matches every metric's name, so that one defined in another way does not go unnoticed.
var mention = regexp.MustCompile(`"(blindseq_[a-z0-9_]+)"`)

func TestReferenceOfMetricsIsUpToDate(t *testing.T) {
	help := map[string]string{}
	for _, path := range sources(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range definition.FindAllStringSubmatch(string(text), -1) {
			help[m[1]] = m[2]
		}
		for _, m := range mention.FindAllStringSubmatch(string(text), -1) {
			if help[m[1]] == "" {
				t.Errorf("%s: %s has no help right behind its name", path, m[1])
			}
		}
	}
	if len(help) < 20 {
		t.Fatalf("only %d metrics found", len(help))
	}
	var page strings.Builder
	page.WriteString(metricsIntro)
	for _, name := range slices.Sorted(maps.Keys(help)) {
		fmt.Fprintf(&page, "| `%s` | %s |\n", name, help[name])
	}
	compare(t, metricsPage, page.String())
}

// sources are the Go files of all services.
func sources(t *testing.T) (list []string) {
	t.Helper()
	for _, dir := range []string{"../kit", "../producer-svc", "../proposer-svc", "../monitor-svc", "../api-gw", "../dsn-node", "../seal"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}
