package soak

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Suite is a package whose tests are repeated.
type Suite struct {
	Name string // its folder in the workspace
	Args []string
}

// starters are the packages with which a test starts processes: any, a redis-server, the programs.
var starters = []string{"os/exec", "blindseq/kit/redistest", "blindseq/e2e/cluster"}

// parallel is how many tests of a suite run at once where it is not the number of processors.
var parallel = map[string]string{"e2e": "4"}

const listFormat = `{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}`

// Suites are the packages of the workspace that have tests and import a package that starts processes, in their tests or
// elsewhere.
func Suites(ctx context.Context, root string) ([]Suite, error) {
	modules, err := list(ctx, root, "-m", "-f", "{{.Dir}}/...")
	if err != nil {
		return nil, err
	}
	packages, err := list(ctx, root, append([]string{"-f", listFormat}, modules...)...)
	if err != nil {
		return nil, err
	}
	var suites []Suite
	for _, line := range packages {
		dir, imports, _ := strings.Cut(line, " ")
		if !slices.ContainsFunc(strings.Fields(imports), func(i string) bool { return slices.Contains(starters, i) }) {
			continue
		}
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		s := Suite{Name: filepath.ToSlash(name)}
		if n := parallel[s.Name]; n != "" {
			s.Args = []string{"-test.parallel=" + n}
		}
		suites = append(suites, s)
	}
	return suites, nil
}

// list returns the lines of `go list`.
func list(ctx context.Context, root string, args ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", root, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}
