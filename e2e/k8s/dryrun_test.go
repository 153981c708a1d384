package k8s

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"blindseq/k8s/render"
)

// The API server takes every combination: server-side, with admission, and nothing is stored.
func TestEveryCombinationPassesTheServersDryRun(t *testing.T) {
	s := open(t)
	needMonitoringKinds(t, s)
	for _, c := range render.Combinations("../../k8s") {
		t.Run(c.Name, func(t *testing.T) {
			text, err := c.YAML(t.TempDir())
			must(t, err)
			file := filepath.Join(t.TempDir(), "all.yaml")
			must(t, os.WriteFile(file, text, 0o600))
			out, err := s.Kubectl(t.Context(), "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--field-manager=blindseq-e2e", "-f", file)
			must(t, err)
			t.Logf("%d objects", bytes.Count(out, []byte("\n")))
		})
	}
}

// needMonitoringKinds lends the cluster the kinds of the Prometheus operator when it has none, without their schemas.
func needMonitoringKinds(t *testing.T, s *system) {
	t.Helper()
	if _, err := s.Kubectl(t.Context(), "get", "crd", "prometheusrules.monitoring.coreos.com"); err == nil {
		return
	}
	_, err := s.Kubectl(t.Context(), "apply", "-f", "testdata/monitoring-kinds.yaml")
	must(t, err)
	t.Cleanup(func() {
		if _, err := s.Kubectl(context.WithoutCancel(t.Context()), "delete", "-f", "testdata/monitoring-kinds.yaml"); err != nil {
			t.Error(err)
		}
	})
	_, err = s.Kubectl(t.Context(), "wait", "--for=condition=Established", "--timeout=30s", "-f", "testdata/monitoring-kinds.yaml")
	must(t, err)
}
