package devnet

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	apigw "blindseq/api-gw"
	"blindseq/dsn-node/bundler"
	"blindseq/dsn-node/dkg"
	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	monitor "blindseq/monitor-svc"
	producer "blindseq/producer-svc"
	proposer "blindseq/proposer-svc"
	"blindseq/proto/openapi"

	"github.com/alecthomas/kong"
)

const configurationPage = "../docs/configuration.md"

const configurationIntro = `# Configuration

Every flag of every program, its environment variable and its default. A flag wins over the variable, the variable over
the default. This page is made from the code by ` + "`make docs`" + `, and a test fails when it is out of date. The metrics are in
[metrics.md](metrics.md).
`

// programs are all there are, with the config each parses its flags into.
func programs() []struct {
	name   string
	config any
} {
	return []struct {
		name   string
		config any
	}{
		{"producer-svc", &producer.Config{}},
		{"proposer-svc", &proposer.Config{}},
		{"monitor-svc", &monitor.Config{}},
		{"api-gw", &apigw.Config{}},
		{"dsn-node sequencer", &sequencer.Config{}},
		{"dsn-node take-back", &sequencer.TakeBack{}},
		{"dsn-node dkg", &dkg.Config{}},
		{"dsn-node identity", &dkg.Identity{}},
		{"dsn-node keyholder", &keyholder.Config{}},
		{"dsn-node change-view", &keyholder.ChangeView{}},
		{"dsn-node bundler", &bundler.Config{}},
		{"dsn-node submitter", &bundler.Submitter{}},
		{"devnet", &Config{}},
	}
}

func TestReferenceOfConfigurationIsUpToDate(t *testing.T) {
	var page strings.Builder
	page.WriteString(configurationIntro)
	for _, p := range programs() {
		app, err := config.Model(p.name, p.config)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&page, "\n## %s\n\n| flag | variable | default | |\n|---|---|---|---|\n", p.name)
		for _, f := range flags(app) {
			fmt.Fprintf(&page, "| `--%s` | %s | %s | %s |\n", f.Name, code(f.Envs...), code(f.Default), strings.ReplaceAll(f.Help, "|", `\|`))
		}
	}
	compare(t, configurationPage, page.String())
}

func flags(app *kong.Application) (list []*kong.Flag) {
	for _, f := range app.Flags {
		if f.Name != "help" && !f.Hidden {
			list = append(list, f)
		}
	}
	return list
}

func code(words ...string) string {
	var quoted []string
	for _, w := range words {
		if w != "" {
			quoted = append(quoted, "`"+w+"`")
		}
	}
	return strings.Join(quoted, " ")
}

// compare fails when a page differs from what it should be; with UPDATE_DOCS it writes it.
func compare(t *testing.T, path, want string) {
	t.Helper()
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date; run make docs", path)
	}
}

func TestReferenceOfTheAPINamesEveryRoute(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(openapi.Document()), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) == 0 {
		t.Fatal("the OpenAPI document has no paths")
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if want := strings.ToUpper(method) + " " + path; !strings.Contains(string(page), want) {
				t.Errorf("docs/api.md lacks %s", want)
			}
		}
	}
}
