package k8s

import (
	"io"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/crds"
	"blindseq/k8s/render"

	"github.com/yannh/kubeconform/pkg/validator"
)

// manifests are all combinations of the kustomizations, and the chart with all values of charts, as YAML by their names.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, c := range render.Combinations(".") {
		text, err := c.YAML(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		out[c.Name] = string(text)
	}
	for name, values := range charts() {
		text, err := installed("zz9", "chain", values)
		if err != nil {
			t.Fatal(err)
		}
		out["chart, "+name] = text
	}
	return out
}

// conformer is kubeconform with the schemas of Kubernetes and of others. The test is skipped where they cannot be had.
func conformer(t *testing.T) validator.Validator {
	t.Helper()
	dir := t.TempDir()
	if err := crds.Schemas(t.Context(), dir); err != nil {
		t.Skip(err)
	}
	of, err := validator.New([]string{dir + "/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{
		Strict: true,
		// The definitions of these are in the operator's whole program. They are decoded with its types (render.Read), which refuses
		// unknown fields, and promtool reads the rules.
		SkipKinds: map[string]struct{}{"ServiceMonitor": {}, "PrometheusRule": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return of
}

func TestEveryObjectConforms(t *testing.T) {
	conforms, kinds := conformer(t), map[string]bool{}
	for name, text := range manifests(t) {
		for _, r := range conforms.Validate(name, io.NopCloser(strings.NewReader(text))) {
			switch r.Status {
			case validator.Valid:
				if sig, err := r.Resource.Signature(); err == nil {
					kinds[sig.Kind] = true
				}
			case validator.Skipped, validator.Empty:
			default:
				t.Errorf("%s: %v", name, r.Err)
			}
		}
	}
	for _, kind := range []string{"Deployment", "StatefulSet", "HorizontalPodAutoscaler", "NetworkPolicy", "Ingress", "HTTPRoute", "Certificate", "ExternalSecret"} {
		if !kinds[kind] {
			t.Errorf("no %s was held to its schema", kind)
		}
	}
}

// TestWhatDoesNotConformIsRefused: so that the test above can fail.
func TestWhatDoesNotConformIsRefused(t *testing.T) {
	conforms := conformer(t)
	for _, text := range []string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1, targetPorts: 2}]}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: \"1\"}]}",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {}}",
		"apiVersion: v1\nkind: Servise\nmetadata: {name: a}",
		"apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: a}",
	} {
		results := conforms.Validate("a", io.NopCloser(strings.NewReader(text)))
		if !slices.ContainsFunc(results, func(r validator.Result) bool { return r.Status == validator.Invalid || r.Status == validator.Error }) {
			t.Errorf("it is taken: %s", text)
		}
	}
}
