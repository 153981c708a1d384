package k8s

import (
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestTheValuesOfThePageInstall: the file of docs/operations.md, as it stands there, with the genesis and the addresses of runbooks.
func TestTheValuesOfThePageInstall(t *testing.T) {
	found := example.FindAllStringSubmatch(read(t, "../docs/operations.md"), -1)
	if len(found) != 1 {
		t.Fatalf("the page has %d examples of values", len(found))
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(found[0][1]), &values); err != nil {
		t.Fatal(err)
	}
	if _, err := installed("chain", "chain", values); err == nil {
		t.Error("it is installed without the genesis that the command gives it")
	}
	values["genesis"] = `{"config": {"chainId": 4242}}`
	text, err := installed("chain", "chain", values)
	if err != nil {
		t.Fatal(err)
	}
	if o := objectsOf(t, text); len(o.Workloads) < 7 || !strings.Contains(text, "chain-4242") {
		t.Errorf("it is not the chain of the page: %d workloads", len(o.Workloads))
	}
}
