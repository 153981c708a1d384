package k8s

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// linter is a program that `make k8s-lint` gives; the test is skipped without it.
func linter(t *testing.T, variable string) string {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		t.Skipf("%s is not set: make k8s-lint", variable)
	}
	return program
}

// folder has all manifests as files, and what each file has.
func folder(t *testing.T) (dir string, names map[string]string) {
	t.Helper()
	dir, names = t.TempDir(), map[string]string{}
	for name, text := range manifests(t) {
		file := strings.Map(func(r rune) rune {
			if r == ' ' || r == ',' {
				return '-'
			}
			return r
		}, name) + ".yaml"
		names[file] = name
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, names
}
