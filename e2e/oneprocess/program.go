package oneprocess

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"blindseq/e2e/cluster"
)

// Program is the devnet for a test: that of the directory with the programs under test, else it is built.
func Program(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv(cluster.BinEnv); bin != "" {
		return filepath.Join(bin, "devnet")
	}
	path := filepath.Join(t.TempDir(), "devnet")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "blindseq/devnet/cmd/devnet").CombinedOutput(); err != nil {
		t.Fatalf("build the devnet: %v\n%s", err, out)
	}
	return path
}
