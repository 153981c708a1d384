package e2e

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The gateway's page in a real browser, on a devnet: what `make run` starts. The tests run against `make run` as well:
// make npm && cd api-gw/internal/page/web && npm run test:live
func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	runPackageTests(t, "../api-gw/internal/page/web", "test/live", runDevnet(t, t.TempDir())...)
}

var urlOf = regexp.MustCompile(`http://[0-9.:]+`)

// runDevnet runs a devnet until the test ends, and returns where it is.
func runDevnet(t *testing.T, data string) (env []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "devnet"), "--data-dir", data,
		"--rest-address", "127.0.0.1:0", "--rpc-address", "127.0.0.1:0", "--bundler-address", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "produce_block") {
		for name, variable := range map[string]string{"JSON-RPC": "RPC", "REST": "REST", "Sealed": "BUNDLER"} {
			if url := urlOf.FindString(lines.Text()); strings.Contains(lines.Text(), name+" ") && url != "" {
				env = append(env, "BLINDSEQ_E2E_"+variable+"="+url)
			}
		}
	}
	if len(env) != 3 {
		t.Fatalf("the devnet said only %q", env)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() { // until it ends, so that it never waits to print a block
		}
	}()
	t.Cleanup(func() { // t.Context has ended, which interrupts the devnet
		<-read
		if err := cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return env
}
