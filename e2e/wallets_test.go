package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// The scripts take the system's address from BLINDSEQ_E2E_RPC, so that they run against `make run` as well:
// make npm && cd e2e/wallets && npm test
func TestWalletLibrariesWork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("this test needs Node.js 20 or newer: %v", err)
	}
	if _, err := os.Stat("wallets/node_modules"); err != nil {
		t.Fatalf("the wallet libraries are not installed (make npm): %v", err)
	}
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3, Bundler: true})
	scripts := []string{"ethers.mjs", "viem.mjs", "waits.mjs"}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) { runWallet(t, script, c.RPC, c.WS) })
	}
	if n := preblocksWithSealed(t, c); n != 0 {
		t.Errorf("%d preblocks have sealed transactions, though nobody seals", n)
	}
	sockets := strings.Replace(c.Wallets, "http", "ws", 1)
	for _, script := range scripts {
		t.Run(script+" through a bundler", func(t *testing.T) { runWallet(t, script, c.Wallets, sockets) })
	}
	n := preblocksWithSealed(t, c)
	t.Logf("sealed transactions were opened in %d preblocks", n)
	if n < 9 { // a transfer, a contract, a call of each script, over each transport: one after the other
		t.Error("what went through the bundler was not sealed")
	}
}

func runWallet(t *testing.T, script, url, ws string) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	run := exec.CommandContext(ctx, "node", script)
	run.Dir = "wallets"
	run.Env = append(run.Environ(), "BLINDSEQ_E2E_RPC="+url, "BLINDSEQ_E2E_WS="+ws)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	t.Logf("%s%s", out, time.Since(began).Round(time.Millisecond))
}

// preblocksWithSealed counts the preblocks in which sealed transactions were opened.
func preblocksWithSealed(t *testing.T, c *cluster.Cluster) (n int) {
	t.Helper()
	for number := uint64(1); number <= sequencer(t, c).GetLastNumber(); number++ {
		for _, o := range preblock(t, c, number).GetOutcomes() {
			if o.GetOpened() != nil {
				n++
				break
			}
		}
	}
	return n
}
