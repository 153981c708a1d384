package k8s

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/chartgen"
	"blindseq/k8s/render"
	"blindseq/k8s/secrets"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const updateChart = "UPDATE_CHART"

// TestTheChartIsMadeFromTheOverlays: make chart makes it anew.
func TestTheChartIsMadeFromTheOverlays(t *testing.T) {
	if os.Getenv(updateChart) != "" {
		if err := chartgen.Write(".", "chart"); err != nil {
			t.Fatal(err)
		}
	}
	made, err := chartgen.Templates(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range made {
		if got := read(t, "chart/templates/"+name); got != want {
			t.Errorf("chart/templates/%s is out of date: make chart", name)
		}
	}
}

// production are values that an operator gives; every one of them is needed.
func production() map[string]any {
	return map[string]any{
		"chainId": 4242, "genesis": `{"config": {"chainId": 4242}}`,
		"redis":          map[string]any{"url": "rediss://redis.chain.test:6379/0", "network": "10.20.0.0/28"},
		"keyholders":     map[string]any{"addresses": []any{"k0.chain.test:7106", "k1.chain.test:7106"}, "network": "10.30.0.0/24"},
		"apiTokenSecret": "api-token",
		"ingress": map[string]any{
			"network": "10.244.0.0/16",
			"hosts":   map[string]any{"api": "api.chain.test", "rpc": "rpc.chain.test", "wallets": "wallets.chain.test"},
		},
		"image":      map[string]any{"registry": "registry.chain.test:5000/blindseq", "tag": "v0.2.0"},
		"monitoring": map[string]any{"prometheusOperator": true, "runbooksUrl": "https://docs.chain.test/operations"},
	}
}

// installed is what `helm install` would send, as YAML.
func installed(release, namespace string, values map[string]any) (string, error) {
	c, err := loader.Load("chart")
	if err != nil {
		return "", err
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}
	all, err := chartutil.ToRenderValues(c, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			out.WriteString(files[name])
		}
	}
	return out.String(), nil
}

func objectsOf(t *testing.T, yaml string) *render.Objects {
	t.Helper()
	o, err := render.Read([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Workloads) == 0 {
		t.Fatal("it has no workload")
	}
	return o
}

// with is values with others in their place, by their path.
func with(values map[string]any, change map[string]any) map[string]any {
	return chartutil.CoalesceTables(change, values)
}

// charts are values by a name, which between them have all that the chart can install.
func charts() map[string]map[string]any {
	return map[string]map[string]any{
		"development":                        {"profile": "development"},
		"development with the operator":      {"profile": "development", "monitoring": map[string]any{"prometheusOperator": true}},
		"production":                         production(),
		"production without ingress":         with(production(), map[string]any{"ingress": map[string]any{"enabled": false, "hosts": map[string]any{"api": "", "rpc": "", "wallets": ""}}}),
		"production without the autoscaler":  with(production(), map[string]any{"autoscaling": map[string]any{"enabled": false}}),
		"production with objects of others":  withEverything(production()),
		"development with objects of others": withEverything(map[string]any{"profile": "development"}),
		"production, everything set": with(production(), map[string]any{
			"replicas": map[string]any{"producer-svc": 5, "api-gw": 4}, "priorityClassName": "critical", "nodeSelector": map[string]any{"disk": "ssd"},
			"resources":   map[string]any{"sequencer": map[string]any{"requests": map[string]any{"cpu": "3", "memory": "1Gi", "ephemeral-storage": "1Gi"}, "limits": map[string]any{"cpu": "3", "memory": "1Gi", "ephemeral-storage": "1Gi"}}},
			"tolerations": []any{map[string]any{"key": "dedicated", "operator": "Exists"}},
			"image":       map[string]any{"tag": "v0.2.0@sha256:" + strings.Repeat("a", 64), "pullSecrets": []any{map[string]any{"name": "registry"}}},
		}),
	}
}

// TestTheChartKeepsTheRulesOfTheManifests: what Helm renders is held to what every kustomization is held to.
func TestTheChartKeepsTheRulesOfTheManifests(t *testing.T) {
	there := made(t)
	for name, values := range charts() {
		t.Run(name, func(t *testing.T) {
			text, err := installed("zz9", "chain", values)
			if err != nil {
				t.Fatal(err)
			}
			o := objectsOf(t, strings.ReplaceAll(text, "zz9-", "")) // the rules know workloads by their names
			for rule, check := range rules(there) {
				if rule == "clients behind an ingress are told apart" && name != "production" {
					continue // there is no ingress to see, or what is in front is no part of the chart
				}
				t.Run(rule, func(t *testing.T) { check(t, o) })
			}
		})
	}
}

func TestValuesOfTheChartAreUsed(t *testing.T) {
	text, err := installed("a", "chain", with(production(), map[string]any{
		"replicas": map[string]any{"producer-svc": 5}, "resources": map[string]any{"sequencer": map[string]any{"limits": map[string]any{"memory": "7Gi"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	o := objectsOf(t, text)
	for _, w := range o.Workloads {
		env, c := environment(o, w.Template.Spec.Containers[0]), w.Template.Spec.Containers[0]
		if !strings.HasPrefix(c.Image, "registry.chain.test:5000/blindseq/") || !strings.HasSuffix(c.Image, ":v0.2.0") {
			t.Errorf("%s: image %s", w.Name, c.Image)
		}
		if d := env["BLINDSEQ_DEPLOYMENT"]; d != "" && d != "chain-4242" {
			t.Errorf("%s: deployment %s", w.Name, d)
		}
		switch {
		case w.Name == "a-producer-svc" && (w.Replicas == nil || *w.Replicas != 5):
			t.Errorf("%s: replicas %v", w.Name, w.Replicas)
		case w.Name == "a-api-gw" && w.Replicas != nil:
			t.Errorf("%s: its replicas are the autoscaler's", w.Name)
		case w.Name == "a-sequencer" && c.Resources.Limits.Memory().String() != "7Gi":
			t.Errorf("%s: %v", w.Name, c.Resources)
		}
	}
	if genesis := slices.IndexFunc(o.ConfigMaps, func(m corev1.ConfigMap) bool { return m.Data["genesis.json"] == production()["genesis"] }); genesis < 0 {
		t.Error("the genesis is not the one that was given")
	}
	for _, alert := range o.Rules[0].Spec.Groups[0].Rules {
		if !strings.HasPrefix(alert.Annotations["runbook_url"], "https://docs.chain.test/operations#") || !strings.Contains(alert.Annotations["summary"], "{{ $") {
			t.Errorf("%s: %v", alert.Alert, alert.Annotations)
		}
	}
}

// TestTwoReleasesInOneNamespaceKeepApart: no object of one has a name of the other's, and no selector finds the other's pods.
func TestTwoReleasesInOneNamespaceKeepApart(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"development": withEverything(map[string]any{"profile": "development", "monitoring": map[string]any{"prometheusOperator": true}}),
		"production":  withEverything(production()),
	} {
		var both []*render.Objects
		for _, release := range []string{"a", "1"} {
			text, err := installed(release, "chain", values)
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, objectsOf(t, text))
		}
		a, b := both[0], both[1]
		for object := range a.Namespaced {
			if _, ok := b.Namespaced[object]; ok {
				t.Errorf("%s: both have %s", name, object)
			}
		}
		for _, w := range b.Workloads {
			pod := w.Labels()
			for _, s := range a.Services {
				if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod)) {
					t.Errorf("%s: service %s of a finds %s of 1", name, s.Name, w.Name)
				}
			}
			for _, own := range a.Workloads {
				if matches(t, own.Selector, pod) {
					t.Errorf("%s: %s of a takes pods of %s of 1", name, own.Name, w.Name)
				}
			}
			for _, budget := range a.Budgets {
				if matches(t, budget.Spec.Selector, pod) {
					t.Errorf("%s: budget %s of a counts %s of 1", name, budget.Name, w.Name)
				}
			}
			for _, p := range a.Policies {
				if matches(t, &p.Spec.PodSelector, pod) {
					t.Errorf("%s: policy %s of a is of %s of 1", name, p.Name, w.Name)
				}
				for _, rule := range p.Spec.Ingress {
					for _, from := range rule.From {
						if from.NamespaceSelector == nil && from.PodSelector != nil && matches(t, from.PodSelector, pod) {
							t.Errorf("%s: policy %s of a lets %s of 1 in", name, p.Name, w.Name)
						}
					}
				}
			}
			for _, m := range a.Monitors {
				for _, s := range b.Services {
					if matches(t, &m.Spec.Selector, s.Labels) {
						t.Errorf("%s: monitor %s of a reads %s of 1", name, m.Name, s.Name)
					}
				}
			}
		}
	}
}

// TestProductionIsRefusedWithAnythingMissing: each value, and says which; the development chain too.
func TestProductionIsRefusedWithAnythingMissing(t *testing.T) {
	if _, err := installed("a", "chain", nil); err == nil {
		t.Fatal("without any value it is installed")
	}
	for path, bad := range map[string]any{
		"chainId": nil, "genesis": "", "redis.url": "", "redis.network": "", "keyholders.addresses": []any{}, "keyholders.network": "",
		"apiTokenSecret": "", "ingress.network": "", "ingress.hosts.api": "", "ingress.hosts.rpc": "", "ingress.hosts.wallets": "",
		"image.registry": "", "image.tag": "", "monitoring.runbooksUrl": "",
	} {
		values, fields := production(), strings.Split(path, ".")
		at := values
		for _, field := range fields[:len(fields)-1] {
			at = at[field].(map[string]any)
		}
		last := fields[len(fields)-1]
		at[last] = bad
		if _, err := installed("a", "chain", values); err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(path, ".", "/")) && !strings.Contains(err.Error(), path) {
			t.Errorf("without %s: %v", path, err)
		}
		delete(at, last)
		if _, err := installed("a", "chain", values); err == nil || !strings.Contains(err.Error(), last) {
			t.Errorf("with the default of %s: %v", path, err)
		}
	}
	for name, change := range map[string]map[string]any{
		"the development chain":     {"chainId": 1337},
		"a Gateway without a name":  {"gatewayApi": map[string]any{"enabled": true}},
		"a store without a name":    {"externalSecrets": map[string]any{"enabled": true}},
		"a password in the address": {"redis": map[string]any{"url": "rediss://:secret@redis.chain.test:6379/0"}},
		"an unknown value":          {"chianId": 1},
		"an unknown profile":        {"profile": "staging"},
	} {
		if _, err := installed("a", "chain", with(production(), change)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestASecretThatIsMadeForAReleaseIsTheOneItMounts: names with the release's prefix, certificates with the names of its services.
func TestASecretThatIsMadeForAReleaseIsTheOneItMounts(t *testing.T) {
	list, err := secrets.Make(secrets.Options{Namespace: "chain", Prefix: "a-", Keyholders: 4, ChainID: 1337, TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]map[string][]byte{}
	for _, item := range list.Items {
		switch o := item.Object.(type) {
		case *corev1.Secret:
			there[o.Name] = o.Data
		case *corev1.ConfigMap:
			there[o.Name] = nil
		}
	}
	for profile, values := range map[string]map[string]any{"development": {"profile": "development"}, "production": with(production(), map[string]any{"apiTokenSecret": "a-api-token"})} {
		text, err := installed("a", "chain", values)
		if err != nil {
			t.Fatal(err)
		}
		o := objectsOf(t, text)
		for _, w := range o.Workloads {
			for _, v := range w.Template.Spec.Volumes {
				name := ""
				switch {
				case v.Secret != nil:
					name = v.Secret.SecretName
				case v.ConfigMap != nil && !slices.ContainsFunc(o.ConfigMaps, func(m corev1.ConfigMap) bool { return m.Name == v.ConfigMap.Name }):
					name = v.ConfigMap.Name
				}
				if _, ok := there[name]; name != "" && !ok {
					t.Errorf("%s: %s mounts %s, which nobody makes", profile, w.Name, name)
				}
			}
		}
	}
	block, _ := pem.Decode(there["a-producer-svc-tls"]["tls.crt"])
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := certificate.VerifyHostname("a-producer-svc-0.a-producer-svc"); err != nil || certificate.Subject.CommonName != "producer-svc" {
		t.Errorf("the certificate of %s: %v", certificate.Subject.CommonName, err)
	}
}
