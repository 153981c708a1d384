package k8s

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rules is what is read of a PrometheusRule.
type rules struct {
	Spec struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
}

// dashboard is what is read of a Grafana dashboard.
type dashboard struct {
	Panels []struct {
		Title, Description, Type string
		Targets                  []struct{ Expr string }
	}
}

// metric is a name of a metric in an expression: ours, or one of the kubelet.
var metric = regexp.MustCompile(`\b(blindseq|kubelet)_[a-z0-9_]+`)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unknown are the metrics of an expression that no program has.
func unknown(documented, expr string) (out []string) {
	for _, name := range metric.FindAllString(expr, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(name, suffix); strings.Contains(documented, "`"+base+"`") {
				name = base
			}
		}
		if strings.HasPrefix(name, "blindseq_") && !strings.Contains(documented, "`"+name+"`") {
			out = append(out, name)
		}
	}
	return out
}

func TestAlertsAreOfMetricsThereAreAndHaveARunbook(t *testing.T) {
	documented, runbooks := read(t, "../docs/metrics.md"), anchors(read(t, "../docs/operations.md"))
	var r rules
	if err := yaml.Unmarshal([]byte(read(t, "components/monitoring/rules.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range r.Spec.Groups {
		for _, rule := range g.Rules {
			count++
			var out list
			out.unless(metric.MatchString(rule.Expr), "it is of no metric")
			for _, name := range unknown(documented, rule.Expr) {
				out.unless(false, "there is no metric %s", name)
			}
			page, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
			out.unless(page == "docs/operations.md" && slices.Contains(runbooks, anchor), "there is no runbook %s", rule.Annotations["runbook"])
			out.unless(rule.Annotations["summary"] != "", "it has no summary")
			out.unless(slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]), "its severity is %q", rule.Labels["severity"])
			report(t, rule.Alert, out)
		}
	}
	if count < 10 {
		t.Errorf("only %d alerts were found", count)
	}
}

// anchors are the names of a page's headings, as links to them are written.
func anchors(page string) (out []string) {
	for line := range strings.Lines(page) {
		if text, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
			out = append(out, strings.ReplaceAll(kept, " ", "-"))
		}
	}
	return out
}

func TestTheDashboardShowsMetricsThereAre(t *testing.T) {
	documented := read(t, "../docs/metrics.md")
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "dashboards/blindseq.json")), &d); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		var out list
		out.unless(p.Description != "", "it does not say what it shows")
		out.unless(len(p.Targets) > 0, "it shows nothing")
		for _, target := range p.Targets {
			shown++
			out.unless(metric.MatchString(target.Expr), "it shows no metric")
			for _, name := range unknown(documented, target.Expr) {
				out.unless(false, "there is no metric %s", name)
			}
		}
		report(t, p.Title, out)
	}
	if shown < 10 {
		t.Errorf("only %d expressions were found", shown)
	}
}
