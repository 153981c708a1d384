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
	"slices"
	"strconv"
	"strings"
	"testing"
)

// event is a log line that the services can write at Info or above.
type event struct {
	where   string // folder of the code: a service, or kit
	message string
	level   string
	fields  []string
}

func (e event) String() string {
	return fmt.Sprintf("%s: %s %q %s", e.where, e.level, e.message, e.fields)
}

// carried are fields that come with the context or with log.With, and not with the call.
var carried = []string{"request_id", "token", "number", "attempt", "step", "lease"}

// levels are the methods of slog.Logger that write an event. Log's level is a variable; the list says which.
var levels = map[string]string{
	"Info": "info", "InfoContext": "info", "Warn": "warn", "WarnContext": "warn", "Error": "error", "ErrorContext": "error", "Log": "",
}

// eventsOf finds the events in the code of the folders.
func eventsOf(t *testing.T, root string, folders ...string) (events []event) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if e, ok := eventOf(n); ok {
					e.where = folder
					events = append(events, e)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// eventOf reads a call like log.InfoContext(ctx, "message", "field", value, …).
func eventOf(n ast.Node) (e event, ok bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return e, false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return e, false
	}
	level, ok := levels[method.Sel.Name]
	if !ok || !isLogger(method.X) {
		return e, false
	}
	args := call.Args
	for len(args) > 0 && text(args[0]) == "" { // a context, a level
		if l, ok := args[0].(*ast.SelectorExpr); ok && l.Sel.Name == "LevelDebug" {
			return e, false
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return e, false
	}
	e = event{message: text(args[0]), level: level}
	for i := 1; i < len(args); i += 2 {
		e.fields = append(e.fields, text(args[i]))
	}
	return e, true
}

// isLogger goes by the name: every logger here is called log or Log, or Slog beside another kind of log.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log"
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "log") || x.Sel.Name == "Slog"
	}
	return false
}

func text(x ast.Expr) string {
	literal, ok := x.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(literal.Value) // the parser has read it
	return s
}

var quoted = regexp.MustCompile("`([^`]*)`")

// documented reads the tables of docs/events.md: event, level, fields, meaning; the heading above names the folder.
func documented(t *testing.T, root string) (events []event) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	where := ""
	for line := range strings.Lines(string(raw)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			where = strings.TrimSpace(heading)
		}
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		e := event{where: where, message: quoted.FindStringSubmatch(cells[1])[1], level: strings.TrimSpace(cells[2])}
		for _, field := range quoted.FindAllStringSubmatch(cells[3], -1) {
			e.fields = append(e.fields, field[1])
		}
		if strings.TrimSpace(cells[4]) == "" {
			t.Errorf("%s has no meaning", e)
		}
		events = append(events, e)
	}
	return events
}

func TestEveryEventIsDocumentedAndNoOther(t *testing.T) {
	root := ".."
	written := eventsOf(t, root, "api-gw", "dsn-node", "kit", "seal", "monitor-svc", "producer-svc", "proposer-svc")
	listed := documented(t, root)
	if len(written) < 50 {
		t.Fatalf("only %d events found in the code", len(written))
	}
	same := func(a, b event) bool {
		return a.where == b.where && a.message == b.message && (a.level == b.level || a.level == "" || b.level == "")
	}
	for _, w := range written {
		matches := func(l event) bool {
			return same(w, l) && !slices.ContainsFunc(w.fields, func(f string) bool { return !slices.Contains(l.fields, f) })
		}
		if !slices.ContainsFunc(listed, matches) {
			t.Errorf("not in docs/events.md, or not with its fields: %s", w)
		}
	}
	for i, l := range listed {
		var fields []string
		for _, w := range written {
			if same(l, w) {
				fields = append(fields, w.fields...)
			}
		}
		if !slices.ContainsFunc(written, func(w event) bool { return same(l, w) }) {
			t.Errorf("docs/events.md lists what nobody writes: %s", l)
		}
		for _, f := range l.fields {
			if !slices.Contains(fields, f) && !slices.Contains(carried, f) {
				t.Errorf("docs/events.md: %s is not written with %s", l, f)
			}
		}
		if slices.ContainsFunc(listed[:i], func(o event) bool { return o.where == l.where && o.message == l.message && o.level == l.level }) {
			t.Errorf("docs/events.md lists twice: %s", l)
		}
	}
}
