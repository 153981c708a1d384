package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func script(t *testing.T, text string) *Process {
	t.Helper()
	dir := t.TempDir()
	p := &Process{
		Name: "script", path: "/bin/sh", args: []string{"-c", text}, dir: dir, log: filepath.Join(dir, "log"),
		ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, "ready"))
			return err
		},
	}
	t.Cleanup(func() { p.Kill() }) //nolint:errcheck // already reported
	return p
}

func begin(t *testing.T, p *Process) {
	t.Helper()
	if err := os.Remove(filepath.Join(p.dir, "ready")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledProcessIsGoneAndStartsAgain(t *testing.T) {
	p := script(t, "echo started; touch ready; exec sleep 60")
	begin(t, p)
	first := p.PID()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.PID() != 0 {
		t.Fatalf("it still runs as %d", p.PID())
	}
	begin(t, p)
	if p.PID() == first || p.PID() == 0 {
		t.Fatalf("was %d, is %d", first, p.PID())
	}
	if n := strings.Count(string(p.Tail(4096)), "\nstarted"); n != 2 {
		t.Fatalf("the output shows %d starts:\n%s", n, p.Tail(4096))
	}
}

func TestStopReportsAnUncleanEnd(t *testing.T) {
	clean := script(t, `trap 'exit 0' TERM; touch ready; while :; do sleep 0.01; done`)
	begin(t, clean)
	if err := clean.Stop(); err != nil {
		t.Fatal(err)
	}
	unclean := script(t, `trap 'exit 3' TERM; touch ready; while :; do sleep 0.01; done`)
	begin(t, unclean)
	if err := unclean.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
}

func TestAwaitReadyNoticesAProcessThatEnded(t *testing.T) {
	p := script(t, "exit 1")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitReady(t.Context()); !errors.Is(err, ErrExited) {
		t.Fatalf("got %v", err)
	}
}
