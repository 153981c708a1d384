package k8s

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"blindseq/k8s/crds"
	"blindseq/k8s/render"
)

// The API server takes every combination: server-side, with admission, and nothing is stored.
func TestEveryCombinationPassesTheServersDryRun(t *testing.T) {
	s := open(t)
	needKinds(t, s, "prometheusrules.monitoring.coreos.com", "testdata/monitoring-kinds.yaml") // without their schemas
	files, err := crds.Files(t.Context())
	must(t, err)
	for _, file := range files {
		needKinds(t, s, kindOf(file), file)
	}
	for _, c := range render.Combinations("../../k8s") {
		t.Run(c.Name, func(t *testing.T) {
			text, err := c.YAML(t.TempDir())
			must(t, err)
			file := filepath.Join(t.TempDir(), "all.yaml")
			must(t, os.WriteFile(file, text, 0o600))
			out, err := s.Kubectl(t.Context(), "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--field-manager=blindseq-e2e", "-f", file, "--namespace", namespaceFor(t, s, text))
			must(t, err)
			t.Logf("%d objects", bytes.Count(out, []byte("\n")))
		})
	}
}

var namespaceOf = regexp.MustCompile(`(?m)^  namespace: (\S+)$`)

// namespaceFor is the namespace of rendered objects. The cluster is lent it when it does not have it: a dry run makes none.
func namespaceFor(t *testing.T, s *system, text []byte) string {
	t.Helper()
	found := namespaceOf.FindSubmatch(text)
	if found == nil {
		t.Fatal("no object has a namespace")
	}
	name := string(found[1])
	if _, err := s.Kubectl(t.Context(), "get", "namespace", name); err == nil {
		return name
	}
	_, err := s.Kubectl(t.Context(), "create", "namespace", name)
	must(t, err)
	t.Cleanup(func() {
		if _, err := s.Kubectl(context.WithoutCancel(t.Context()), "delete", "namespace", name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// needKinds lends the cluster the kinds that a file defines, when it does not have one of them.
func needKinds(t *testing.T, s *system, one, file string) {
	t.Helper()
	if _, err := s.Kubectl(t.Context(), "get", "crd", one); err == nil {
		return
	}
	_, err := s.Kubectl(t.Context(), "apply", "--server-side", "-f", file)
	must(t, err)
	t.Cleanup(func() {
		if _, err := s.Kubectl(context.WithoutCancel(t.Context()), "delete", "-f", file); err != nil {
			t.Error(err)
		}
	})
	_, err = s.Kubectl(t.Context(), "wait", "--for=condition=Established", "--timeout=30s", "-f", file)
	must(t, err)
}

// kindOf is the name of the definition in a file, which is called group_plural.yaml.
func kindOf(file string) string {
	group, plural, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "_")
	return plural + "." + group
}
