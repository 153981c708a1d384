package dkg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/seal/keyfile"
)

// ErrPending says that a ceremony before this one ended without knowing how the others ended.
var ErrPending = errors.New("the result of an earlier ceremony is undecided: if another participant of it has the same committee.json, move this directory to its place, else remove it")

// stage is where the result is written, and where it is moved to, in one step, when all have theirs.
type stage struct {
	out, pending string
	passphrase   []byte
	made         bool // pending is ours
}

const (
	shareName     = "share.json"
	committeeName = "committee.json"
)

// newStage checks that a result can be put where it is wanted.
func newStage(out string) (*stage, error) {
	s := &stage{out: filepath.Clean(out), pending: filepath.Clean(out) + ".pending"}
	if _, err := os.Lstat(s.pending); err == nil {
		return nil, fmt.Errorf("%s: %w", s.pending, ErrPending)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("prepare output: %w", err)
	}
	entries, err := os.ReadDir(s.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("prepare output: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("prepare output: %s is not empty: %w", s.out, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(s.out), 0o700); err != nil {
		return nil, fmt.Errorf("prepare output: %w", err)
	}
	return s, nil
}

func (s *stage) share() string     { return filepath.Join(s.out, shareName) }
func (s *stage) committee() string { return filepath.Join(s.out, committeeName) }

// write makes the result durable beside its place.
func (s *stage) write(r ceremony.Result) error {
	if err := os.Mkdir(s.pending, 0o700); err != nil {
		return fmt.Errorf("stage result: %w", err)
	}
	s.made = true
	err := errors.Join(
		keyfile.WriteShare(filepath.Join(s.pending, shareName), r.Share, s.passphrase),
		r.Committee.Write(filepath.Join(s.pending, committeeName)),
		syncDir(s.pending), syncDir(filepath.Dir(s.pending)))
	if err != nil {
		return fmt.Errorf("stage result: %w", err)
	}
	return nil
}

// publish moves the result to its place.
func (s *stage) publish() error {
	if err := os.Rename(s.pending, s.out); err != nil {
		return fmt.Errorf("publish result, which all others have: move %s to %s: %w", s.pending, s.out, err)
	}
	if err := syncDir(filepath.Dir(s.out)); err != nil {
		return fmt.Errorf("publish result: %w", err)
	}
	return nil
}

func (s *stage) discard() error {
	if !s.made {
		return nil
	}
	if err := os.RemoveAll(s.pending); err != nil {
		return fmt.Errorf("remove staged result: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
