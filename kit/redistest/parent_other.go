//go:build !linux

package redistest

import "os/exec"

// dieWithParent needs the parent-death signal of Linux; elsewhere a killed test binary leaves its redis-server running.
func dieWithParent(*exec.Cmd) {}
