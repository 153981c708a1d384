// Package e2e drives the real programs from outside, each a process of its own, against a real redis-server.
//
// Tests that measure times or need all processors run first, one after the other. The others mostly wait (for leases,
// keepalives, restarts) and run in parallel, each on a loopback address of its own.
package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/failpoint"
)

// Set once, by TestMain.
var (
	// programs is the directory of the programs under test.
	programs string
	// failpoints are the same with failpoints.
	failpoints struct {
		bin   string
		build func() (steps []string, err error) // once
	}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := exec.LookPath(cluster.Redis); err != nil {
		fmt.Fprintln(os.Stderr, "these tests need redis-server:", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "blindseq-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if programs, err = cluster.Programs(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if failpoints.bin = os.Getenv(failpointsEnv); failpoints.bin == "" {
		failpoints.bin = filepath.Join(dir, "failpoints")
	}
	failpoints.build = sync.OnceValues(func() ([]string, error) {
		var mains []string
		for _, name := range cluster.Services() {
			mains = append(mains, fmt.Sprintf("blindseq/%s/cmd/%s", name, name))
		}
		return failpoint.Build(context.Background(), failpoints.bin, mains...)
	})
	return m.Run()
}

// start starts a cluster that ends with the test; when the test fails, the end of every service's output is printed.
// (With -artifacts, the logs stay.)
func start(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	return startFrom(t, programs, o)
}

// startFrom is start with the programs of another directory.
func startFrom(t *testing.T, bin string, o cluster.Options) *cluster.Cluster {
	t.Helper()
	o.Bin, o.Dir = bin, cmp.Or(o.Dir, t.ArtifactDir())
	c, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.Tails(t.Output())
		}
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
