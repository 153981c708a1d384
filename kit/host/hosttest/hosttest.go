// Package hosttest shows for a program that a start which fails leaves nothing open, whichever of its steps fails.
package hosttest

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"blindseq/kit/host"

	"go.uber.org/goleak"
)

// errStep is the error that a step is made to fail with.
var errStep = errors.New("this step was made to fail")

// EveryStep calls start once for each of its steps, with that step failing, and checks each time that the error names the
// step and that no goroutine, listener or file of it is left, but goroutines that ignored names. start makes the program from nothing each time and returns
// what closes it; it must succeed when no step fails. EveryStep returns the names of the steps.
func EveryStep(t *testing.T, start func(ctx context.Context) (close func() error, err error), ignored ...goleak.Option) []string {
	t.Helper()
	closeAll, err := start(t.Context()) // opens what the process opens once, too
	if err != nil {
		t.Fatalf("start without a failing step: %v", err)
	}
	if err := closeAll(); err != nil {
		t.Errorf("close what was started: %v", err)
	}
	var names []string
	for n := 0; ; n++ {
		name, done := failStep(t, n, start, ignored)
		if done {
			if len(names) == 0 {
				t.Fatal("the start has no step")
			}
			return names
		}
		names = append(names, name)
	}
}

// failStep starts with step n failing. It is done when there is no such step.
func failStep(t *testing.T, n int, start func(context.Context) (func() error, error), ignored []goleak.Option) (name string, done bool) {
	t.Helper()
	allowed, open := append(ignored, goleak.IgnoreCurrent()), openFiles(t)
	count := 0
	closeAll, err := start(host.WithSteps(t.Context(), func(step string) error {
		defer func() { count++ }()
		if count != n {
			return nil
		}
		name = step
		return errStep
	}))
	if err == nil {
		if err := closeAll(); err != nil {
			t.Errorf("close what was started: %v", err)
		}
		if name != "" {
			t.Errorf("step %q failed and the start did not", name)
		}
		return name, name == ""
	}
	if !errors.Is(err, errStep) || !strings.Contains(err.Error(), name) {
		t.Errorf("step %q failed, and the start says: %v", name, err)
	}
	if err := goleak.Find(allowed...); err != nil {
		t.Errorf("step %q failed, and the start left: %v", name, err)
	}
	for _, file := range openFiles(t) {
		if i := slices.Index(open, file); i >= 0 {
			open = slices.Delete(open, i, i+1)
			continue
		}
		t.Errorf("step %q failed, and the start left open: %s", name, file)
	}
	return name, false
}

// openFiles lists what this process has open: paths of files, and sockets by their inode.
func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return nil // not on Linux: goroutines and ports alone tell
	}
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "/proc/") {
			files[e.Name()] = target
		}
	}
	return slices.Collect(maps.Values(files))
}
