// Package secretfile says whether a file that holds a secret is closed enough to be used: its owner alone can open it, or
// it is as a Secret volume of Kubernetes puts it into a pod that runs as another user than root: owned by root, readable
// and not writable by a group of this process, and closed to everybody else. Who owns the file could give that group
// away; root could read it anyway, and who runs the process chose its groups.
package secretfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// ErrExposed is wrapped by every refusal.
var ErrExposed = errors.New("file can be read by others: chmod 600")

// Check refuses a file that others can open. It looks at what info has seen, so take it from the open file.
func Check(info fs.FileInfo) error {
	return check(info.Mode().Perm(), ownerOf(info), self)
}

// owner of a file, as far as the system knows one.
type owner struct {
	user, group int
	known       bool
}

// process is who asks.
type process struct {
	user   int
	groups []int
}

func self() (process, error) {
	groups, err := os.Getgroups()
	return process{user: os.Geteuid(), groups: append(groups, os.Getegid())}, err
}

func check(mode fs.FileMode, of owner, asking func() (process, error)) error {
	refused := fmt.Errorf("%w (is %04o)", ErrExposed, mode)
	switch {
	case mode&0o077 == 0:
		return nil
	case mode&0o037 != 0, !of.known, of.user != 0:
		return refused
	}
	p, err := asking()
	if err != nil {
		return errors.Join(refused, err)
	}
	if p.user == 0 || of.group == 0 || !slices.Contains(p.groups, of.group) {
		return refused
	}
	return nil
}
