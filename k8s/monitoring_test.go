package k8s

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/render"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// alerts are those that an operator's copy of an overlay has.
func alerts(t *testing.T, c render.Combination) (out []monitoringv1.Rule) {
	t.Helper()
	for _, r := range rendered(t, c).Rules {
		for _, g := range r.Spec.Groups {
			out = append(out, g.Rules...)
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d alerts were found", len(out))
	}
	return out
}

// dashboard is what is read of a Grafana dashboard.
type dashboard struct {
	Panels []struct {
		Title, Description, Type string
		Targets                  []struct{ Expr string }
	}
}

// metric is a name of a metric in an expression: ours, or one of the kubelet.
var metric = regexp.MustCompile(`\b(blindseq|kubelet)_[a-z0-9_]+\b`)

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

// TestAlertsAreOfMetricsThereAreAndLinkARunbook: the address is the operator's, and the page has the heading.
func TestAlertsAreOfMetricsThereAreAndLinkARunbook(t *testing.T) {
	registered := labelsOfMetrics(t)
	documented, runbooks := read(t, "../docs/metrics.md"), anchors(read(t, "../docs/operations.md"))
	for _, c := range render.Combinations(".") {
		if len(c.Files) == 0 || !strings.Contains(c.Name, "prometheus-operator") {
			continue
		}
		for _, rule := range alerts(t, c) {
			var out list
			out.unless(metric.MatchString(rule.Expr.StrVal), "it is of no metric")
			for _, name := range unknown(documented, rule.Expr.StrVal) {
				out.unless(false, "there is no metric %s", name)
			}
			out = append(out, unknownLabels(registered, rule.Expr.StrVal)...)
			page, anchor, _ := strings.Cut(rule.Annotations["runbook_url"], "#")
			out.unless(page == "https://docs.chain.test/operations" && slices.Contains(runbooks, anchor), "there is no runbook %s", rule.Annotations["runbook_url"])
			out.unless(rule.Annotations["summary"] != "", "it has no summary")
			out.unless(slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]), "its severity is %q", rule.Labels["severity"])
			report(t, rule.Alert, out)
		}
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
	registered := labelsOfMetrics(t)
	shown := 0
	var queries []map[string]string
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
			out = append(out, unknownLabels(registered, target.Expr)...)
			out.unless(strings.Count(target.Expr, `namespace="$namespace",deployment=~"$deployment"`) == len(metric.FindAllString(target.Expr, -1)),
				"it mixes deployments: %s", target.Expr)
			queries = append(queries, map[string]string{
				"record": fmt.Sprintf("panel:%d", shown), "expr": strings.NewReplacer("$__rate_interval", "1m", "$", "").Replace(target.Expr),
			})
		}
		report(t, p.Title, out)
	}
	if shown < 10 {
		t.Errorf("only %d expressions were found", shown)
	}
	rules := filepath.Join(t.TempDir(), "queries.yaml")
	write(t, rules, map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": queries}}})
	if out, err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", rules).CombinedOutput(); err != nil {
		t.Errorf("Prometheus does not take its queries: %v\n%s", err, out)
	}
}

func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: make deps")
	}
	return path
}

var (
	registration = regexp.MustCompile(`"(blindseq_[a-z0-9_]+)"`)
	labelList    = regexp.MustCompile(`\}, \[\]string\{([^}]*)\}\)`)
)

// labelsOfMetrics are the labels with which the programs register their metrics, by metric, as the source code says.
func labelsOfMetrics(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, module := range []string{"kit", "api-gw", "dsn-node", "monitor-svc", "producer-svc", "proposer-svc"} {
		err := filepath.WalkDir(filepath.Join("..", module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			names := registration.FindAllSubmatchIndex(text, -1)
			for i, at := range names {
				end := len(text)
				if i+1 < len(names) {
					end = names[i+1][0]
				}
				name := string(text[at[2]:at[3]])
				if found := labelList.FindSubmatch(text[at[1]:end]); found != nil {
					for label := range strings.SplitSeq(string(found[1]), ",") {
						out[name] = append(out[name], strings.Trim(label, `" `))
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 15 {
		t.Fatalf("only %d metrics with labels were found", len(out))
	}
	return out
}

var (
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	matcher  = regexp.MustCompile(`[{,]([a-z_]+)(?:=|!=|=~|!~)"`)
)

// unknownLabels are the labels of an expression that none of its metrics has. Those of every target are given by Prometheus.
func unknownLabels(registered map[string][]string, expr string) (out list) {
	known := []string{"namespace", "deployment", "pod", "le", "__name__"}
	for _, name := range metric.FindAllString(expr, -1) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known = append(known, registered[strings.TrimSuffix(name, suffix)]...)
		}
	}
	var used []string
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			used = append(used, strings.TrimSpace(label))
		}
	}
	for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
		used = append(used, m[1])
	}
	for _, label := range used {
		out.unless(slices.Contains(known, label), "no metric of it has the label %s", label)
	}
	return out
}
