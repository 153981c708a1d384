// Package failpoint lets a test stop a real program at an exact, named step, to send it a signal right there.
//
// A step is a comment in the source, "// gofail: var stepName struct{}". Build compiles the programs once more with those
// comments turned into calls, from copies that are laid over the tree: neither the tree nor what is deployed has any of it.
package failpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/gofail/code"
)

const marker = "// gofail:"

// Build compiles the main packages, with their failpoints, into dir/ and returns the names of all steps, sorted. dir also
// holds the transformed copies.
func Build(ctx context.Context, dir string, mains ...string) (names []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	o := overlay{dir: filepath.Join(dir, "src"), replace: map[string]string{}}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	modules, err := modules(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if err := o.module(m); err != nil {
			return nil, err
		}
	}
	description := filepath.Join(o.dir, "overlay.json")
	raw, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(description, raw, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-overlay", description, "-o", dir + "/"}, mains...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build with failpoints: %w\n%s", err, out)
	}
	slices.Sort(o.names)
	return o.names, nil
}

// modules are the folders of the workspace's modules.
func modules(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// overlay collects the copies of all files that have steps, and one file more for each of their packages.
type overlay struct {
	dir     string
	replace map[string]string // path in the tree → path of the copy
	names   []string
}

func (o *overlay) module(root string) error {
	packages := map[string][]*code.Failpoint{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(source, []byte("\t"+marker)) {
			return err
		}
		var copied bytes.Buffer
		steps, err := code.ToFailpoints(&copied, bytes.NewReader(source))
		if err != nil {
			return fmt.Errorf("failpoints of %s: %w", path, err)
		}
		pkg := filepath.Dir(path)
		packages[pkg] = append(packages[pkg], steps...)
		return o.put(path, copied.Bytes())
	})
	if err != nil {
		return err
	}
	for _, pkg := range slices.Sorted(maps.Keys(packages)) { // always the same files: what is built already stays
		if err := o.declare(pkg, packages[pkg]); err != nil {
			return err
		}
	}
	return nil
}

// declare adds the file that declares a package's steps.
func (o *overlay) declare(pkg string, steps []*code.Failpoint) error {
	name, err := packageName(pkg)
	if err != nil {
		return err
	}
	var declared bytes.Buffer
	if err := code.NewBinding(name, steps).Write(&declared); err != nil {
		return fmt.Errorf("declare failpoints of %s: %w", pkg, err)
	}
	for _, s := range steps {
		o.names = append(o.names, s.Name())
	}
	return o.put(filepath.Join(pkg, "failpoints_declared.go"), declared.Bytes())
}

func (o *overlay) put(path string, content []byte) error {
	to := filepath.Join(o.dir, fmt.Sprintf("%d.go", len(o.replace)))
	o.replace[path] = to
	return os.WriteFile(to, content, 0o644)
}

func packageName(dir string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly)
		if err != nil {
			return "", err
		}
		return f.Name.Name, nil
	}
	return "", fmt.Errorf("no Go file in %s", dir)
}
