package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves no redis-server behind a test binary that was killed or timed out.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
