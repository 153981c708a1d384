package e2e

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// The npm package @blindseq/seal: its tests that need nothing, and those with viem, ethers and a browser against real programs. They
// run against `make run` as well: make npm && cd sdk/js && npm run test:live
func TestTheJavaScriptPackage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("this test needs Node.js 20 or newer: %v", err)
	}
	if _, err := os.Stat("../sdk/js/dist/index.js"); err != nil {
		t.Fatalf("the package is not built (make npm): %v", err)
	}
	t.Run("alone", func(t *testing.T) { runPackageTests(t, "../sdk/js", "test") })
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3})
	t.Run("against the system", func(t *testing.T) {
		runPackageTests(t, "../sdk/js", "test/live", "BLINDSEQ_E2E_RPC="+c.RPC, "BLINDSEQ_E2E_WS="+c.WS, "BLINDSEQ_E2E_COMMITTEE="+c.Keys.Committee)
	})
}

// The package's transactions are each executed once, whatever is killed while they are sent.
func TestWhatTheJavaScriptPackageSendsSurvivesKills(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", "test/live/faults.mjs")
	run.Dir = "../sdk/js"
	run.Env = append(run.Environ(), "BLINDSEQ_E2E_RPC="+c.RPC, "BLINDSEQ_E2E_COMMITTEE="+c.Keys.Committee)
	var errs bytes.Buffer
	run.Stderr = &errs
	out, err := run.StdoutPipe()
	must(t, err)
	must(t, run.Start())
	kills := map[string]string{
		"acknowledged 10": cluster.Gateway, "acknowledged 30": cluster.Producer, "acknowledged 50": cluster.DSN, "acknowledged 70": cluster.Gateway,
		"acknowledged 90": cluster.Producer,
	}
	killed, last := 0, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
		if name := kills[last]; name != "" {
			must(t, c.Process(name).Kill())
			must(t, c.Process(name).Start())
			killed++
		}
	}
	if err := run.Wait(); err != nil || last != "executed 100" || killed != len(kills) {
		t.Fatalf("%v after %d kills and %q\n%s", err, killed, last, &errs)
	}
}

// runPackageTests runs the files *.test.mjs in a folder of a package, and shows what they measured and skipped.
func runPackageTests(t *testing.T, pkg, folder string, env ...string) {
	files, err := filepath.Glob(filepath.Join(pkg, folder, "*.test.mjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	args := []string{"--test", "--test-reporter=tap"}
	for _, f := range files {
		args = append(args, filepath.Join(folder, filepath.Base(f)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", args...)
	run.Dir = pkg
	run.Env = append(run.Environ(), env...)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", folder, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# Subtest") || strings.Contains(line, "# SKIP") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
