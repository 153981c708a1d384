package k8s

import (
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// TestHelmLintsTheChart: without an error or a warning.
func TestHelmLintsTheChart(t *testing.T) {
	for profile, values := range map[string]map[string]any{"development": {"profile": "development"}, "production": production()} {
		for _, m := range lint.All("chart", values, "chain", true).Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", profile, m.Error())
			}
		}
	}
}
