package secretfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileIsTakenWhenItsOwnerAloneCanOpenItOrAsASecretVolumeHasIt(t *testing.T) {
	const ours, others = 65532, 1000
	pod := process{user: 65532, groups: []int{ours}}
	root := process{user: 0, groups: []int{0, ours}}
	volume := owner{user: 0, group: ours, known: true}
	for name, c := range map[string]struct {
		mode  fs.FileMode
		of    owner
		asks  process
		taken bool
	}{
		"owner alone":                      {0o600, owner{user: 1, group: 1, known: true}, pod, true},
		"owner alone, read only":           {0o400, owner{}, pod, true},
		"Secret volume":                    {0o440, volume, pod, true},
		"Secret volume, writable by root":  {0o640, volume, pod, true},
		"readable by everybody":            {0o644, volume, pod, false},
		"executable by everybody":          {0o441, volume, pod, false},
		"writable by the group":            {0o660, volume, pod, false},
		"executable by the group":          {0o450, volume, pod, false},
		"of a group that is not ours":      {0o440, owner{user: 0, group: others, known: true}, pod, false},
		"of root's group":                  {0o440, owner{user: 0, group: 0, known: true}, process{user: 65532, groups: []int{0}}, false},
		"of a user that is not root":       {0o440, owner{user: others, group: ours, known: true}, pod, false},
		"our own, open to our group":       {0o640, owner{user: 65532, group: ours, known: true}, pod, false},
		"root's own, open to a group":      {0o640, volume, root, false},
		"open to a group, owner not known": {0o440, owner{}, pod, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := check(c.mode, c.of, func() (process, error) { return c.asks, nil })
			if c.taken != (err == nil) {
				t.Errorf("taken %t: %v", err == nil, err)
			}
			if err != nil && !errors.Is(err, ErrExposed) {
				t.Errorf("refused with %v, not ErrExposed", err)
			}
		})
	}
}

func TestAGroupFileIsRefusedWhenOurGroupsCannotBeKnown(t *testing.T) {
	broken := errors.New("no groups")
	err := check(0o440, owner{group: 7, known: true}, func() (process, error) { return process{}, broken })
	if !errors.Is(err, ErrExposed) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestARealFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for mode, taken := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(info); taken != (err == nil) { // ours, so that its group never counts
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
