package devrpc

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every method is on the page of the API: with its namespace, or for those that are refused in three namespaces, without.
func TestThePageOfTheAPINamesEveryMethod(t *testing.T) {
	text, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## Methods of the development chain")
	if !ok {
		t.Fatal("docs/api.md has no section about the development chain")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	apis, err := APIs(Deps{})
	if err != nil {
		t.Fatal(err)
	}
	methods := 0
	for _, api := range apis {
		service := reflect.TypeOf(api.Service)
		_, refused := api.Service.(never)
		for i := range service.NumMethod() {
			methods++
			name := service.Method(i).Name
			name = strings.ToLower(name[:1]) + name[1:]
			if !named(section, api.Namespace, name, refused) {
				t.Errorf("docs/api.md does not name %s_%s", api.Namespace, name)
			}
		}
	}
	if methods < 60 {
		t.Errorf("only %d methods were found", methods)
	}
}

// named looks for a method in the section. What evm, hardhat and anvil share is there once.
func named(section, namespace, method string, refused bool) bool {
	if refused {
		return strings.Contains(section, "`"+method+"`")
	}
	spellings := []string{namespace}
	if shared := []string{"evm", "hardhat", "anvil"}; slices.Contains(shared, namespace) && method != "mine" {
		spellings = shared
	}
	for _, one := range spellings {
		if strings.Contains(section, "`"+one+"_"+method+"`") {
			return true
		}
	}
	return false
}
