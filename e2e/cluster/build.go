package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// BinEnv names the variable with the directory of the programs to test.
const BinEnv = "BLINDSEQ_E2E_BIN"

// Programs returns the directory of the programs: BinEnv's, or dir after building them there.
func Programs(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv(BinEnv); bin != "" {
		return bin, nil
	}
	args := []string{"build", "-o", dir + "/"}
	for _, name := range append(Services(), "devnet") {
		args = append(args, fmt.Sprintf("blindseq/%s/cmd/%s", name, name))
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
}
