package k8s

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// accepted is a complaint of a linter that stays, and why.
type accepted struct {
	check string
	of    []string // objects by name; none: all
	in    []string // beginnings of the combinations' names; none: all
	why   string
}

// scores are the complaints of kube-score that stay.
func scores() []accepted {
	return []accepted{
		{check: "container-image-pull-policy", why: "a version is pushed once, production deploys it by digest, and a pod that restarts needs no registry"},
		{check: "container-resources", why: "processor time has requests and no limit: a service that is throttled in the middle of a block holds up all others"},
		{check: "statefulset-has-host-podantiaffinity", why: "it knows no topologySpreadConstraints; with anti-affinity a rollout on as many nodes as replicas hangs"},
		{check: "deployment-has-host-podantiaffinity", why: "it knows no topologySpreadConstraints; with anti-affinity a rollout on as many nodes as replicas hangs"},
		{check: "pod-networkpolicy", in: []string{"base", "keyholder"}, why: "the component network-policy has them, which every overlay and the chart have"},
		{check: "deployment-has-poddisruptionbudget", of: []string{"api-gw"}, in: []string{"base"}, why: "the component pdb has it, which production has"},
		{check: "deployment-replicas", of: []string{"api-gw", "monitor-svc", "proposer-svc"}, in: []string{"base", "dev", "chart, development"},
			why: "production has two; one is enough for development"},
		{check: "deployment-replicas", of: []string{"redis"}, why: "the Redis of development is one"},
		{check: "deployment-strategy", of: []string{"redis"}, why: "two of it at once would be two different Redis"},
		{check: "pod-probes-identical", of: []string{"redis", "redis-primary", "redis-replica", "redis-sentinel"}, why: "a Redis that answers PING is alive and ready"},
		{check: "service-targets-pod", of: []string{"bundler-0", "bundler-1"}, why: "they select a pod by the label that its StatefulSet gives it"},
	}
}

// unexplained are those of complaints that nothing accepts. used counts what did.
func unexplained(list []accepted, used map[string]bool, check, object, combination string) bool {
	object = strings.TrimPrefix(object, "zz9-")
	for _, a := range list {
		if a.check == check && (a.of == nil || slices.Contains(a.of, object)) &&
			(a.in == nil || slices.ContainsFunc(a.in, func(p string) bool { return strings.HasPrefix(combination, p) })) {
			used[a.check+strings.Join(a.of, " ")] = true
			return false
		}
	}
	return true
}

// checkUsed: an exception that nothing needs is removed.
func checkUsed(t *testing.T, list []accepted, used map[string]bool) {
	t.Helper()
	for _, a := range list {
		if !used[a.check+strings.Join(a.of, " ")] {
			t.Errorf("nothing complains of %s %v: remove it", a.check, a.of)
		}
	}
}

func TestKubeScoreComplainsOfNothingElse(t *testing.T) {
	program := linter(t, "BLINDSEQ_KUBE_SCORE")
	dir, names := folder(t)
	used := map[string]bool{}
	for file, name := range names {
		// Its exit code says that it complains, which is read from what it prints.
		text, _ := exec.CommandContext(t.Context(), program, "score", "--output-format", "json", filepath.Join(dir, file)).Output()
		var objects []struct {
			Meta   struct{ Name string } `json:"object_meta"`
			Checks []struct {
				Check    struct{ ID string }
				Grade    int
				Skipped  bool
				Comments []struct{ Summary string }
			}
		}
		if err := json.Unmarshal(text, &objects); err != nil || len(objects) == 0 {
			t.Fatalf("%s: %d objects, %v", name, len(objects), err)
		}
		const warning = 5
		for _, o := range objects {
			for _, c := range o.Checks {
				if !c.Skipped && c.Grade <= warning && unexplained(scores(), used, c.Check.ID, o.Meta.Name, name) {
					t.Errorf("%s: %s: %s: %v", name, o.Meta.Name, c.Check.ID, c.Comments)
				}
			}
		}
	}
	checkUsed(t, scores(), used)
}
