// Package suites runs other people's tools and test suites against a running blindseq, at both of its ports, and where it
// helps against geth, which makes and reads the same chain.
//
// What does not come out as the suite wants is listed, with the reason, in a file of the folder differences. A difference
// that is not listed fails the run, and a listed one that is gone does too.
//
// The suites take minutes and install packages, so they run only where BLINDSEQ_SUITES names them (make suites).
package suites

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suitesEnv lists the suites to run, with commas, or is all.
const suitesEnv = "BLINDSEQ_SUITES"

// Set once, by TestMain.
var (
	// devnet is the program under test.
	devnet string
	// cache is the folder that keeps virtual environments between runs.
	cache string
	// geth is the program that blindseq is compared with.
	geth string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(suitesEnv) == "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "blindseq-suites-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cache, geth = os.Getenv("BLINDSEQ_SUITES_CACHE"), os.Getenv("BLINDSEQ_SUITES_GETH")
	if cache == "" {
		cache = dir
	}
	devnet = filepath.Join(dir, "devnet")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", devnet, "blindseq/devnet/cmd/devnet")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the devnet: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// wants skips a test whose suite is not asked for.
func wants(t *testing.T, suite string) {
	t.Helper()
	asked := strings.Split(os.Getenv(suitesEnv), ",")
	if !slices.Contains(asked, suite) && !slices.Contains(asked, "all") {
		t.Skipf("a long suite of other people's tests: make suites SUITES=%s", suite)
	}
}
