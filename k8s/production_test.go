package k8s

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/render"
)

// assignment is a value of an overlay's file, given or (in an example) still to be given.
var assignment = regexp.MustCompile(`(?m)^#?([A-Z_]+)=`)

// TestAnOverlayForProductionRefusesToRenderWithoutAValue: each value, and the genesis, and says which.
func TestAnOverlayForProductionRefusesToRenderWithoutAValue(t *testing.T) {
	for _, c := range []render.Combination{render.Production("."), render.KeyholderOfAnother(".")} {
		for file, text := range c.Files {
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				refused(t, without(c, file, ""), file[strings.LastIndexByte(file, '/')+1:])
				for _, value := range assignment.FindAllStringSubmatch(text, -1) {
					line := regexp.MustCompile("(?m)^" + value[1] + "=.*\n")
					refused(t, without(c, file, line.ReplaceAllString(text, "")), "data."+value[1])
				}
			})
		}
	}
}

// without is a combination with other content of a file; none when it is empty.
func without(c render.Combination, file, content string) render.Combination {
	files := map[string]string{"README.test": ""} // so that it is a copy also without any file
	for name, text := range c.Files {
		switch {
		case name != file:
			files[name] = text
		case content != "":
			files[name] = content
		}
	}
	c.Files = files
	return c
}

func refused(t *testing.T, c render.Combination, says string) {
	t.Helper()
	if _, err := c.YAML(t.TempDir()); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("without %s: %v", says, err)
	}
}

// TestTheExamplesNameEveryValue: who copies an example learns of all of them, and none has a value already.
func TestTheExamplesNameEveryValue(t *testing.T) {
	for file, c := range map[string]render.Combination{
		"overlays/prod/production.env":     render.Production("."),
		"overlays/keyholder/keyholder.env": render.KeyholderOfAnother("."),
	} {
		example := read(t, file+".example")
		var named, needed []string
		for _, m := range assignment.FindAllStringSubmatch(example, -1) {
			named = append(named, m[1])
		}
		for _, m := range assignment.FindAllStringSubmatch(c.Files[file], -1) {
			needed = append(needed, m[1])
		}
		slices.Sort(named)
		slices.Sort(needed)
		if !slices.Equal(named, needed) {
			t.Errorf("%s.example names %q, needed are %q", file, named, needed)
		}
		if regexp.MustCompile(`(?m)^[A-Z_]+=`).MatchString(example) {
			t.Errorf("%s.example has a value", file)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is in the tree: it belongs into an operator's copy", file)
		}
	}
}

// TestNoDevelopmentIsInProduction: no chain that everybody can spend from, no plain text, no example.
func TestNoDevelopmentIsInProduction(t *testing.T) {
	c := render.Production(".")
	text, err := c.YAML(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"1337", "DEV_GENESIS", "example.org", "KEYHOLDERS_NETWORK", "REDIS_NETWORK"} {
		if strings.Contains(string(text), word) {
			t.Errorf("it has %s", word)
		}
	}
	for _, w := range rendered(t, c).Workloads {
		env := environment(rendered(t, c), w.Template.Spec.Containers[0])
		produces := strings.HasPrefix(w.Name, "producer-")
		if has := env["BLINDSEQ_GENESIS"] != ""; has != produces {
			t.Errorf("%s has a genesis: %t", w.Name, has)
		}
		if signs := env["BLINDSEQ_SEQUENCER_KEY_FILE"] != ""; signs != (w.Name == "producer-svc") {
			t.Errorf("%s has the key that signs blueprints: %t", w.Name, signs)
		}
	}
}
