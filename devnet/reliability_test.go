package devnet

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference names a test: the folder it is in or below, and its function, perhaps with a subtest.
var reference = regexp.MustCompile("`([a-z0-9/-]+): (Test[A-Za-z0-9_]+)(/[^`]+)?`")

// testsUnder are the test functions in the files of a folder and those below.
func testsUnder(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

func TestEveryRowOfTheReliabilityPageNamesTestsThatExist(t *testing.T) {
	raw, err := os.ReadFile("../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]map[string]bool{}
	rows := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		references := reference.FindAllStringSubmatch(line, -1)
		for _, r := range references {
			if tests[r[1]] == nil {
				tests[r[1]] = testsUnder(t, filepath.Join("..", r[1]))
			}
			if !tests[r[1]][r[2]] {
				t.Errorf("there is no test %s under %s", r[2], r[1])
			}
		}
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|---") || strings.TrimSpace(cells[len(cells)-2]) == "shown by" {
			continue
		}
		name := strings.TrimSpace(cells[1])
		rows[name] = true
		if len(references) == 0 {
			t.Errorf("no test shows %q", name)
		}
		if strings.Count(line, ": Test") != len(references) {
			t.Errorf("%q names a test in another form than `folder: Test`", name)
		}
	}
	for n := 1; n <= 14; n++ {
		if name := fmt.Sprint("S", n); !rows[name] {
			t.Errorf("%s is missing", name)
		}
	}
	for n := 1; n <= 5; n++ {
		if name := fmt.Sprint("L", n); !rows[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
