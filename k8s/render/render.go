// Package render renders the kustomizations of k8s/ as kubectl does, for the chart and for tests, and decodes the result strictly: a field
// that Kubernetes does not know is an error.
package render

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Combination is a kustomization that is not written down: resources with components on top.
type Combination struct {
	Name       string
	Resources  []string // folders
	Components []string

	NamePrefix, Namespace string // set over everything
	Instance              string // the label app.kubernetes.io/instance of everything, selectors included

	// Files are what an operator adds to a copy of Root, by their path in it. Resources and components are then those of the copy.
	Root  string
	Files map[string]string
}

// YAML renders a combination; dir is a folder for the kustomization it becomes.
func (c Combination) YAML(dir string) ([]byte, error) {
	root, err := c.copied(dir)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", c.Name, err)
	}
	k := types.Kustomization{
		TypeMeta:   types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		NamePrefix: c.NamePrefix, Namespace: c.Namespace,
	}
	if c.Instance != "" {
		k.Labels = []types.Label{{Pairs: map[string]string{"app.kubernetes.io/instance": c.Instance}, IncludeSelectors: true, IncludeTemplates: true}}
	}
	for _, folder := range c.Resources {
		k.Resources = append(k.Resources, relative(dir, root(folder)))
	}
	for _, folder := range c.Components {
		k.Components = append(k.Components, relative(dir, root(folder)))
	}
	text, err := yaml.Marshal(k)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", c.Name, err)
	}
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", c.Name, err)
	}
	return all.AsYaml()
}

// copied makes the copy that Files are added to, if there are any, and says where a folder of Root is.
func (c Combination) copied(dir string) (func(string) string, error) {
	if len(c.Files) == 0 {
		return func(folder string) string { return folder }, nil
	}
	to := filepath.Join(dir, "k8s")
	if err := os.CopyFS(to, os.DirFS(c.Root)); err != nil {
		return nil, err
	}
	for name, content := range c.Files {
		if err := os.WriteFile(filepath.Join(to, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return func(folder string) string {
		if short, err := filepath.Rel(c.Root, folder); err == nil {
			return filepath.Join(to, short)
		}
		return folder
	}, nil
}

// relative is how a kustomization in dir names a folder; an absolute name is one that it refuses.
func relative(dir, folder string) string {
	if from, err := filepath.EvalSymlinks(dir); err == nil {
		dir = from
	}
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	if short, err := filepath.Rel(dir, folder); err == nil {
		return short
	}
	return folder
}

// Combinations are those that are tested: what can be deployed, each component on it, and all of them.
func Combinations(root string) []Combination {
	at := func(path string) string { return filepath.Join(root, path) }
	base, dev := at("base"), at("overlays/dev")
	out := []Combination{
		{Name: "base", Resources: []string{base}},
		{Name: "keyholder", Resources: []string{at("keyholder")}},
		{Name: "dev", Resources: []string{dev}},
		{Name: "dev in another namespace", Resources: []string{dev}, Namespace: "other"},
		Production(root),
		Production(root).WithOperator(),
		{Name: "keyholder with mtls", Resources: []string{at("keyholder")}, Components: []string{at("components/mtls")}},
		KeyholderOfAnother(root),
		KeyholderOfAnother(root).WithOperator(),
	}
	var onDev, onBase []string
	for _, name := range Components() {
		component := at("components/" + name)
		alone := []string{component}
		if name == "prometheus-operator" {
			alone = []string{at("components/monitoring"), component} // where policies deny what they do not allow, it needs both
		}
		if strings.HasPrefix(name, "gateway-api-") {
			alone = []string{at("components/gateway-api"), component}
		}
		out = append(out, Combination{Name: "base with " + name, Resources: []string{base}, Components: alone})
		onBase = append(onBase, component)
		if slices.Contains([]string{"observers", "network-policy", "pdb", "gateway-api", "gateway-api-tls", "cert-manager", "external-secrets", "dashboard"}, name) {
			continue // they are in dev, or are the same on it
		}
		out = append(out, Combination{Name: "dev with " + name, Resources: []string{dev}, Components: alone})
		onDev = append(onDev, component)
	}
	return append(out,
		Combination{Name: "base with all", Resources: []string{base}, Components: onBase},
		Combination{Name: "dev with all", Resources: []string{dev}, Components: onDev})
}

// Production is a copy of overlays/prod whose operator has given every value.
func Production(root string) Combination {
	return Combination{
		Name: "prod", Root: root, Resources: []string{filepath.Join(root, "overlays/prod")},
		Files: map[string]string{
			"overlays/prod/genesis.json": `{"config": {"chainId": 4242}}`,
			"overlays/prod/production.env": `CHAIN_ID=4242
REDIS_URL=rediss://redis.chain.test:6379/0
REDIS_NETWORK=10.20.0.0/28
KEYHOLDERS=k0.chain.test:7106,k1.chain.test:7106,k2.chain.test:7106,k3.chain.test:7106
KEYHOLDERS_NETWORK=10.30.0.0/24
API_TOKEN_SECRET=api-token
INGRESS_NETWORK=10.244.0.0/16
API_HOST=api.chain.test
RPC_HOST=rpc.chain.test
WALLETS_HOST=wallets.chain.test
REGISTRY=registry.chain.test/blindseq
VERSION=v0.2.0
RUNBOOKS_URL=https://docs.chain.test/operations
`,
		},
	}
}

// KeyholderOfAnother is a copy of overlays/keyholder whose operator has given every value.
func KeyholderOfAnother(root string) Combination {
	return Combination{
		Name: "keyholder of another party, mtls", Root: root, Resources: []string{filepath.Join(root, "overlays/keyholder")},
		Files: map[string]string{"overlays/keyholder/keyholder.env": `SEQUENCER_NETWORK=10.40.0.7/32
REGISTRY=registry.chain.test/blindseq
VERSION=v0.2.0
RUNBOOKS_URL=https://docs.chain.test/operations
`},
	}
}

// WithOperator has the components that are commented out in the overlay: those for a cluster with the Prometheus operator.
func (c Combination) WithOperator() Combination {
	file := filepath.Join("overlays", filepath.Base(c.Resources[0]), "kustomization.yaml")
	text, err := os.ReadFile(filepath.Join(c.Root, file))
	if err != nil {
		return Combination{Name: err.Error()} // renders nothing, which fails every test
	}
	c.Name += " with prometheus-operator"
	c.Files = maps.Clone(c.Files)
	c.Files[file] = strings.ReplaceAll(string(text), "  # - ../../components/", "  - ../../components/")
	return c
}

// Components are the names of all components, in an order in which they can be put together: what adds workloads first.
func Components() []string {
	return []string{"observers", "redis-sentinel", "network-policy", "pdb", "spread", "hpa", "monitoring", "prometheus-operator", "mtls", "ingress",
		"gateway-api", "gateway-api-grpc", "gateway-api-tls", "cert-manager", "external-secrets", "dashboard"}
}
