package k8s

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestHelmItself: the program, for both profiles and two releases in one namespace. It renders what the tests above render with its library.
func TestHelmItself(t *testing.T) {
	program := linter(t, "BLINDSEQ_HELM")
	run := func(args ...string) (string, error) {
		// A helm of our own building takes clusters for very old ones.
		cmd := exec.CommandContext(t.Context(), program, append(args, "--kube-version", "1.33.0")...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if said, err := run("template", "a", "chart"); err == nil || !strings.Contains(said, "chainId") {
		t.Errorf("production is installed without values: %v: %s", err, said)
	}
	for profile, values := range map[string]map[string]any{"development": {"profile": "development"}, "production": production()} {
		text, err := yaml.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := run("lint", "--strict", "chart", "--values", file); err != nil {
			t.Errorf("%s: %v: %s", profile, err, said)
		}
		var names [][]string
		for _, release := range []string{"one", "two"} {
			said, err := run("template", release, "chart", "--namespace", "chain", "--values", file)
			if err != nil {
				t.Fatalf("%s: %v: %s", profile, err, said)
			}
			want, err := installed(release, "chain", values)
			if err != nil {
				t.Fatal(err)
			}
			of := objectNames(t, said)
			if !slices.Equal(of, objectNames(t, want)) {
				t.Errorf("%s: the program installs %q", profile, of)
			}
			names = append(names, of)
		}
		if slices.ContainsFunc(names[0], func(n string) bool { return slices.Contains(names[1], n) }) {
			t.Errorf("%s: two releases have the same objects: %q", profile, names)
		}
	}
}

// objectNames are "kind/name" of all objects.
func objectNames(t *testing.T, text string) (out []string) {
	t.Helper()
	for name := range objectsOf(t, text).Namespaced {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
