package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/testaddr"
)

// The rehearsal of the keyholders' guide: its commands as they stand on the page, on another address of this machine.
func TestTheKeyholdersRehearsal(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/keyholders.md")
	must(t, err)
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 7 {
		t.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	var script strings.Builder
	for _, block := range blocks {
		script.WriteString(block[1])
	}
	bin, err := filepath.Abs(programs)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "timeout", "50", "bash", "-ec", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT TERM\n"+
		strings.ReplaceAll(script.String(), "127.0.0.1", testaddr.New().Host))
	run.Dir = t.TempDir()
	run.Env = append(run.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	run.WaitDelay = 10 * time.Second
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if said := string(out); strings.Count(said, "fingerprint") != 4 || !strings.Contains(said, "3 of 4 keyholders") ||
		!strings.Contains(said, "VALID") || !strings.Contains(said, "blindseq_keyholder_signs_from 1") {
		t.Errorf("the rehearsal said:\n%s", said)
	}
}
