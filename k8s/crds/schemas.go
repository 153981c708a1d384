package crds

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// kubernetes has the schemas of the API in its module. It is the oldest version that the manifests are held to.
const kubernetes = "k8s.io/kubernetes@v1.33.4"

// Schemas writes a JSON schema of each kind that the manifests use into a folder, for kubeconform: <kind>-<group>-<version>.json, with the
// group up to its first dot. The schemas that kubeconform would download are made from the same document.
func Schemas(ctx context.Context, dir string) error {
	if err := writeAPI(ctx, dir); err != nil {
		return fmt.Errorf("write the schemas of Kubernetes: %w", err)
	}
	files, err := Files(ctx)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := writeDefinition(dir, file); err != nil {
			return fmt.Errorf("write the schemas of %s: %w", file, err)
		}
	}
	return nil
}

type object = map[string]any

func writeAPI(ctx context.Context, dir string) error {
	from, err := download(ctx, kubernetes)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(from, "api/openapi-spec/swagger.json"))
	if err != nil {
		return err
	}
	var spec struct {
		Definitions map[string]object `json:"definitions"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	for name, of := range spec.Definitions {
		strict(of)
		if number := numbers(name); number != nil {
			spec.Definitions[name] = number
		}
	}
	if err := write(filepath.Join(dir, "definitions.json"), object{"definitions": spec.Definitions}); err != nil {
		return err
	}
	for name, of := range spec.Definitions {
		kinds, _ := of["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 {
			continue // options of calls, which are of every group
		}
		kind := kinds[0].(object)
		file := fileOf(kind["kind"].(string), kind["group"].(string), kind["version"].(string))
		if err := write(filepath.Join(dir, file), object{"$ref": "definitions.json#/definitions/" + name}); err != nil {
			return err
		}
	}
	return nil
}

// strict refuses fields that are not in a schema, as kubectl does.
func strict(of object) {
	if of["properties"] != nil && of["additionalProperties"] == nil {
		of["additionalProperties"] = false
	}
}

// numbers are the schemas of what may be written as a number, though the document calls it a string.
func numbers(name string) object {
	switch name {
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return object{"type": []string{"string", "number"}}
	}
	return nil
}

func fileOf(kind, group, version string) string {
	short, _, _ := strings.Cut(group, ".")
	if short != "" {
		short += "-"
	}
	return strings.ToLower(kind + "-" + short + version + ".json")
}

// writeDefinition writes the schemas of a kind of others, one for each of its versions.
func writeDefinition(dir, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema object `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &d); err != nil {
		return err
	}
	for _, v := range d.Spec.Versions {
		if err := write(filepath.Join(dir, fileOf(d.Spec.Names.Kind, d.Spec.Group, v.Name)), v.Schema.OpenAPIV3Schema); err != nil {
			return err
		}
	}
	return nil
}

func write(file string, schema object) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
