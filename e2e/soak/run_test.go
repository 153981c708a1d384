package soak

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSuitesAreAllPackagesThatStartProcesses(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	suites, err := Suites(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"e2e", "dsn-node/cmd/dsn-node", "kit/lock", "kit/redistest", "producer-svc", "proposer-svc", "seal"} {
		if !slices.ContainsFunc(suites, func(s Suite) bool { return s.Name == want }) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.ContainsFunc(suites, func(s Suite) bool { return s.Name == "seal/feldman" || strings.HasPrefix(s.Name, "..") }) {
		t.Errorf("got %v", suites)
	}
}

// module writes a module with one package for each test file.
func module(t *testing.T, tests map[string]string) Options {
	t.Helper()
	t.Setenv("GOWORK", "off")
	root := t.TempDir()
	files := map[string]string{"go.mod": "module example\n\ngo 1.26.0\n"}
	for name, text := range tests {
		files[name+"/x_test.go"] = "package x\n\n" + text
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Root: root, Dir: t.TempDir(), For: time.Hour}
	for name := range tests {
		o.Suites = append(o.Suites, Suite{Name: name})
	}
	return o
}

func TestASuiteThatCannotBeBuiltIsCounted(t *testing.T) {
	o := module(t, map[string]string{"broken": "no Go"})
	var out bytes.Buffer
	o.Log = &out
	if err := Run(t.Context(), o); !errors.Is(err, ErrFailures) || !strings.Contains(out.String(), "--- first failure of broken (the whole suite)\n") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// A test that never ends starts a process. The interrupt kills both, and the tally has the test before it.
func TestAnInterruptKillsWhatTheSuiteStartedAndKeepsTheTally(t *testing.T) {
	o := module(t, map[string]string{"hangs": `import ("os"; "os/exec"; "strconv"; "testing")

func TestPasses(t *testing.T) {}

func TestHangs(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("pid.new", []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("pid.new", "pid"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}
`})
	var out bytes.Buffer
	o.Log = &out
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	pid := started(t, filepath.Join(o.Root, "hangs", "pid"), ended)
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "1 passed, 0 failed, 0 skipped, 1 cut off") || !strings.Contains(out.String(), "hangs TestPasses\n") {
		t.Errorf("got\n%s", &out)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for alive(pid) {
		<-poll.C
	}
}

// started waits for the file with the number of the process.
func started(t *testing.T, path string, ended <-chan error) int {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if text, err := os.ReadFile(path); err == nil {
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		select {
		case err := <-ended:
			t.Fatalf("the soak ended: %v", err)
		case <-poll.C:
		}
	}
}

// alive reports whether the process runs; one that has ended and that nobody waited for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
