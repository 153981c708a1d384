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

// row is one of a page's tables: its cells, and how many tests it names.
type row struct {
	cells []string
	tests int
}

// rowsOf reads the tables of a page under ../docs whose last column is "shown by". Every test that is named there must exist, and be named as `folder: Test`.
func rowsOf(t *testing.T, page string) (rows []row) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	tests, shows := map[string]map[string]bool{}, false
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
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if head := strings.TrimSpace(cells[len(cells)-1]) == "shown by"; head || len(cells) < 2 {
			shows = head
			continue
		}
		if !shows || strings.HasPrefix(line, "|---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if strings.Count(line, "Test") != len(references) {
			t.Errorf("%q names a test in another form than `folder: Test`", cells[0])
		}
		rows = append(rows, row{cells, len(references)})
	}
	return rows
}

func TestEveryRowOfTheReliabilityPageNamesTestsThatExist(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rowsOf(t, "reliability.md") {
		names[r.cells[0]] = true
		if r.tests == 0 {
			t.Errorf("no test shows %q", r.cells[0])
		}
	}
	for n := 1; n <= 16; n++ {
		if name := fmt.Sprint("S", n); !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	for n := 1; n <= 5; n++ {
		if name := fmt.Sprint("L", n); !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestEveryRowOfTheSecurityPageNamesTestsThatExist: only where nothing stops an attack, or a flag does, is there no test to name.
func TestEveryRowOfTheSecurityPageNamesTestsThatExist(t *testing.T) {
	shown := 0
	for _, r := range rowsOf(t, "security.md") {
		switch {
		case len(r.cells) != 4:
			t.Errorf("the row of %q has %d cells, want 4", r.cells[0], len(r.cells))
		case r.tests > 0:
			shown++
		case !strings.HasPrefix(r.cells[2], "nothing") && !strings.HasPrefix(r.cells[2], "`--"):
			t.Errorf("no test shows that this stops %q: %s", r.cells[0], r.cells[2])
		}
	}
	if shown < 10 {
		t.Errorf("%d rows name tests: the page is written otherwise than this test reads it", shown)
	}
}
