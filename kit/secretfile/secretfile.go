// Package secretfile checks that a file with a secret is private enough to be used. Either its owner alone can open it, or it
// is as Kubernetes mounts a Secret into a pod that does not run as root: owned by root, readable but not writable by a group
// of this process, and closed to all others. Only root may own such a file, because the owner could give its group away.
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

// process is the process that asks.
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
