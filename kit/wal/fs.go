package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// FS is what the log writes through. Tests put a failing one in its place.
type FS interface {
	// Create makes a new file for writing; one of the same name, left by a crash, is emptied.
	Create(path string) (File, error)
	// Open opens an existing file for writing.
	Open(path string) (File, error)
	Rename(from, to string) error
	// SyncDir makes the creation and renaming of files in dir durable.
	SyncDir(dir string) error
}

// File is an open file of an FS.
type File interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

type osFS struct{}

func (osFS) Create(path string) (File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

func (osFS) Open(path string) (File, error) { return os.OpenFile(path, os.O_WRONLY, 0) }

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Unsynced is the operating system's files without fsync, for logs that are thrown away when the machine fails.
type Unsynced struct{ osFS }

// Create makes a file that is never synced.
func (u Unsynced) Create(path string) (File, error) { return unsynced(u.osFS.Create(path)) }

// Open opens a file that is never synced.
func (u Unsynced) Open(path string) (File, error) { return unsynced(u.osFS.Open(path)) }

// SyncDir does nothing.
func (Unsynced) SyncDir(string) error { return nil }

type unsyncedFile struct{ File }

func (unsyncedFile) Sync() error { return nil }

func unsynced(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

// lockDir takes the directory for this Log. The kernel releases it when the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w", path, ErrLocked)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
