package failpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const source = `package steps

func Write() {
	// gofail: var beforeWrite struct{}
	println("written")
	// gofail: var afterWrite struct{}
}
`

func TestBuildAddsTheStepsAndLeavesTheTreeUnchanged(t *testing.T) {
	tree, copies := t.TempDir(), t.TempDir()
	file := filepath.Join(tree, "write.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "none.go"), []byte("package steps\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := overlay{dir: copies, replace: map[string]string{}}
	if err := o.module(tree); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.names, []string{"beforeWrite", "afterWrite"}) {
		t.Fatalf("steps %q", o.names)
	}
	if len(o.replace) != 2 {
		t.Fatalf("replaced are %v", o.replace)
	}
	requireText(t, o.replace[file], "__fp_beforeWrite.Acquire()", "__fp_afterWrite.Acquire()")
	requireText(t, o.replace[filepath.Join(tree, "failpoints_declared.go")], "package steps", `NewFailpoint("afterWrite")`)
	requireText(t, file, source)
}

func requireText(t *testing.T, path string, parts ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s does not have %q:\n%s", path, part, text)
		}
	}
}

func TestReachedWaitsForAnArmedStep(t *testing.T) {
	var armed atomic.Value
	var looks atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/unknown":
			http.Error(w, "failpoint does not exist", http.StatusBadRequest)
		case r.Method == http.MethodPut:
			term, _ := io.ReadAll(r.Body)
			armed.Store(r.URL.Path + " " + string(term))
		case looks.Add(1) < 3:
			fmt.Fprint(w, "0")
		default:
			fmt.Fprint(w, "1")
		}
	}))
	defer server.Close()
	c := Client{URL: server.URL}
	if err := c.ArmOnce(t.Context(), "afterWrite", 2*time.Second); err != nil || armed.Load() != "/afterWrite 1*sleep(2000)" {
		t.Fatalf("armed %v, %v", armed.Load(), err)
	}
	if err := c.Reached(t.Context(), "afterWrite"); err != nil || looks.Load() != 3 {
		t.Fatalf("%d looks, %v", looks.Load(), err)
	}
	if err := c.Arm(t.Context(), "unknown"); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("an unknown step: %v", err)
	}
	looks.Store(-1 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Reached(ctx, "afterWrite"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a step nobody comes to: %v", err)
	}
}
