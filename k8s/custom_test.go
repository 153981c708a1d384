package k8s

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/crds"
	"blindseq/k8s/render"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// definition is a kind of somebody else's, as an API server knows it.
type definition struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are by "group/version kind". The test is skipped where they cannot be had.
func definitions(t *testing.T) map[string]definition {
	t.Helper()
	files, err := crds.Files(t.Context())
	if err != nil {
		t.Skip(err)
	}
	out := map[string]definition{}
	for _, file := range files {
		var d apiextensionsv1.CustomResourceDefinition
		text, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Spec.Versions {
			if v.Served {
				out[d.Spec.Group+"/"+v.Name+" "+d.Spec.Names.Kind] = defined(t, v)
			}
		}
	}
	return out
}

func defined(t *testing.T, v apiextensionsv1.CustomResourceDefinitionVersion) definition {
	t.Helper()
	var props apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &props, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		t.Fatal(err)
	}
	of, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		t.Fatal(err)
	}
	return definition{structural: structural, schema: of, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit)}
}

// problems are what an API server would refuse, which fills in defaults first, and the fields that it would drop.
func (d definition) problems(ctx context.Context, o unstructured.Unstructured) (out []string) {
	for _, path := range pruning.PruneWithOptions(o.DeepCopy().Object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		out = append(out, "unknown field "+path)
	}
	defaulting.Default(o.Object, d.structural)
	errs := validation.ValidateCustomResource(field.NewPath(""), o.Object, d.schema)
	broken, _ := d.rules.Validate(ctx, field.NewPath(""), d.structural, o.Object, nil, celconfig.RuntimeCELCostBudget)
	for _, err := range append(errs, broken...) {
		out = append(out, err.Error())
	}
	return out
}

// custom are combinations that have all objects of kinds of others between them, and the chart.
func custom(t *testing.T) map[string]*render.Objects {
	t.Helper()
	out := map[string]*render.Objects{}
	for _, c := range render.Combinations(".") {
		if c.Name == "base with all" || c.Name == "prod with prometheus-operator" {
			out[c.Name] = rendered(t, c)
		}
	}
	for name, values := range map[string]map[string]any{"production": withEverything(production()), "development": withEverything(map[string]any{"profile": "development"})} {
		text, err := installed("a", "chain", values)
		if err != nil {
			t.Fatal(err)
		}
		out["chart, "+name] = objectsOf(t, text)
	}
	return out
}

// withEverything switches on all that is optional.
func withEverything(values map[string]any) map[string]any {
	return with(values, map[string]any{
		"ingress":         map[string]any{"network": "10.244.0.0/16", "hosts": map[string]any{"api": "api.chain.test", "rpc": "rpc.chain.test", "wallets": "wallets.chain.test", "grpc": "grpc.chain.test"}},
		"gatewayApi":      map[string]any{"enabled": true, "gateway": map[string]any{"name": "public", "namespace": "gateways"}},
		"certManager":     map[string]any{"enabled": true},
		"externalSecrets": map[string]any{"enabled": true, "redisUrl": true, "store": map[string]any{"name": "vault", "kind": "ClusterSecretStore"}},
		"monitoring":      map[string]any{"dashboard": true},
	})
}

func TestObjectsOfOthersKeepToTheirDefinitions(t *testing.T) {
	known, checked := definitions(t), map[string]int{}
	for name, objects := range custom(t) {
		for _, o := range objects.Custom {
			kind := o.GetAPIVersion() + " " + o.GetKind()
			d, ok := known[kind]
			if !ok {
				t.Errorf("%s: no definition has the kind %s", name, kind)
				continue
			}
			for _, p := range d.problems(t.Context(), o) {
				t.Errorf("%s: %s %s: %s", name, o.GetKind(), o.GetName(), p)
			}
			checked[kind]++
		}
	}
	if len(checked) != 6 {
		t.Errorf("checked were %v", checked)
	}
}

// TestADefinitionRefusesWhatIsWrong: so that the test above can fail.
func TestADefinitionRefusesWhatIsWrong(t *testing.T) {
	known := definitions(t)
	for says, text := range map[string]string{
		"unknown field":    "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: a, issuerRef: {name: b}, dnsName: [c]}",
		"issuerRef":        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: a}",
		"parentRefs":       "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {parentRefs: [{name: g}, {name: g}], hostnames: [a.test]}", // a rule, not the schema
		"refreshInterval:": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\nspec: {refreshInterval: 3, data: []}",
	} {
		o, err := render.Custom([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		problems := known[o.GetAPIVersion()+" "+o.GetKind()].problems(t.Context(), o)
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, says) }) {
			t.Errorf("%s: %q", text, problems)
		}
	}
}

// routesLeadToPorts: each route names a Service and a port of it. gRPC that asks for certificates is not ended by somebody else.
func routesLeadToPorts(t *testing.T, o *render.Objects) {
	for _, r := range o.Custom {
		rules, _, _ := unstructured.NestedSlice(r.Object, "spec", "rules")
		if !strings.HasSuffix(r.GetKind(), "Route") {
			continue
		}
		for _, to := range backends(rules) {
			if !slices.ContainsFunc(o.Services, func(s corev1.Service) bool {
				return s.Name == to.name && slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return int64(p.Port) == to.port })
			}) {
				t.Errorf("%s %s: service %s has no port %d", r.GetKind(), r.GetName(), to.name, to.port)
			}
		}
		if len(backends(rules)) == 0 {
			t.Errorf("%s %s leads nowhere", r.GetKind(), r.GetName())
		}
	}
}

type backend struct {
	name string
	port int64
}

func backends(rules []any) (out []backend) {
	for _, rule := range rules {
		refs, _, _ := unstructured.NestedSlice(rule.(map[string]any), "backendRefs")
		for _, ref := range refs {
			name, _, _ := unstructured.NestedString(ref.(map[string]any), "name")
			port, _, _ := unstructured.NestedInt64(ref.(map[string]any), "port")
			out = append(out, backend{name, port})
		}
	}
	return out
}

// certificatesAreWhatPodsMount: each is in a Secret that its service mounts, has its name, and is valid where others call it.
func certificatesAreWhatPodsMount(t *testing.T, o *render.Objects) {
	for _, c := range o.Custom {
		if c.GetKind() != "Certificate" {
			continue
		}
		secret, _, _ := unstructured.NestedString(c.Object, "spec", "secretName")
		common, _, _ := unstructured.NestedString(c.Object, "spec", "commonName")
		names, _, _ := unstructured.NestedStringSlice(c.Object, "spec", "dnsNames")
		issuer, _, _ := unstructured.NestedString(c.Object, "spec", "issuerRef", "name")
		if !slices.ContainsFunc(o.Custom, func(i unstructured.Unstructured) bool { return i.GetKind() == "Issuer" && i.GetName() == issuer }) {
			t.Errorf("certificate %s: there is no issuer %s", c.GetName(), issuer)
		}
		at := slices.IndexFunc(o.Workloads, func(w render.Workload) bool { return w.Labels()["app.kubernetes.io/name"] == common })
		if at < 0 {
			continue // its component is not there
		}
		w := o.Workloads[at]
		if mounted := source(w, w.Template.Spec.Containers[0], "/etc/blindseq/tls"); mounted != "" && mounted != secret {
			t.Errorf("certificate %s is in %s, and %s mounts %s", c.GetName(), secret, w.Name, mounted)
		}
		want := []string{w.Name, "*." + w.Name}
		if w.Name == "bundler" { // each has a Service of its own: component bundlers
			want = append(want, "bundler-0", "bundler-1")
		}
		if !slices.Equal(names, want) {
			t.Errorf("certificate %s is for %q", c.GetName(), names)
		}
	}
}

// secretsFromAStoreAreWhatPodsMount: each has the entries that `make k8s-secrets` would give it.
func (there files) secretsFromAStoreAreWhatPodsMount(t *testing.T, o *render.Objects) {
	for _, s := range o.Custom {
		if s.GetKind() != "ExternalSecret" {
			continue
		}
		name, _, _ := unstructured.NestedString(s.Object, "spec", "target", "name")
		data, _, _ := unstructured.NestedSlice(s.Object, "spec", "data")
		for _, d := range data {
			entry, _, _ := unstructured.NestedString(d.(map[string]any), "secretKey")
			if name != "redis-url" && !slices.Contains(there[name], entry) {
				t.Errorf("the store gives %s an entry %s, which nobody reads", name, entry)
			}
		}
	}
}
