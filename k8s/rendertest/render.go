// Package rendertest renders the kustomizations of k8s/ for tests as kubectl does, and decodes the result strictly: a field
// that Kubernetes does not know is an error.
package rendertest

import (
	"fmt"
	"os"
	"path/filepath"

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
}

// YAML renders a combination; dir is a folder for the kustomization it becomes.
func (c Combination) YAML(dir string) ([]byte, error) {
	k := types.Kustomization{TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}}
	for _, folder := range c.Resources {
		k.Resources = append(k.Resources, relative(dir, folder))
	}
	for _, folder := range c.Components {
		k.Components = append(k.Components, relative(dir, folder))
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
	base, dev, prod := at("base"), at("overlays/dev"), at("overlays/prod")
	out := []Combination{
		{Name: "base", Resources: []string{base}},
		{Name: "keyholder", Resources: []string{at("keyholder")}},
		{Name: "dev", Resources: []string{dev}},
		{Name: "prod", Resources: []string{prod}},
		{Name: "keyholder with mtls", Resources: []string{at("keyholder")}, Components: []string{at("components/mtls")}},
	}
	var onDev, onBase []string
	for _, name := range Components() {
		component := at("components/" + name)
		out = append(out, Combination{Name: "base with " + name, Resources: []string{base}, Components: []string{component}})
		onBase = append(onBase, component)
		if name == "observers" || name == "network-policy" || name == "pdb" {
			continue // they are in dev
		}
		out = append(out, Combination{Name: "dev with " + name, Resources: []string{dev}, Components: []string{component}})
		onDev = append(onDev, component)
	}
	return append(out,
		Combination{Name: "base with all", Resources: []string{base}, Components: onBase},
		Combination{Name: "dev with all", Resources: []string{dev}, Components: onDev})
}

// Components are the names of all components, in an order in which they can be put together: what adds workloads first.
func Components() []string {
	return []string{"redis-sentinel", "observers", "network-policy", "pdb", "hpa", "monitoring", "mtls", "ingress"}
}
