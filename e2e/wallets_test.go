package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// The scripts take the system's address from BLINDSEQ_E2E_RPC, so that they run against `make run` as well:
// cd e2e/wallets && npm ci && npm test
func TestWalletLibrariesWork(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs Node.js 20 or newer: %v", err)
		}
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = "wallets"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	c := start(t, cluster.Options{})
	for _, script := range []string{"ethers.mjs", "viem.mjs"} {
		t.Run(script, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			run := exec.CommandContext(ctx, "node", script)
			run.Dir = "wallets"
			run.Env = append(run.Environ(), "BLINDSEQ_E2E_RPC="+c.RPC, "BLINDSEQ_E2E_WS="+c.WS)
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", script, err, out)
			}
			t.Logf("%s", out)
		})
	}
}
