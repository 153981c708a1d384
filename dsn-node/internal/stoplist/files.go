package stoplist

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/vfs"
)

// files is the store's file system. What is written to the store's log goes to the operating system at once and is not
// synced: it outlives a process that is killed, for the price of a write; what a crash of the machine takes is derived again.
// Everything else is synced, a log that is over too, as the store takes only its last log's torn end for a crash.
type files struct{ vfs.FS }

func (fs files) Create(name string) (vfs.File, error) {
	f, err := fs.FS.Create(name)
	return unsynced(name, f), err
}

func (fs files) ReuseForWrite(old, name string) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name)
	return unsynced(name, f), err
}

func unsynced(name string, f vfs.File) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return logFile{f}
}

// logFile is a file that is synced when it is closed, and not before.
type logFile struct{ vfs.File }

func (f logFile) Close() error { return errors.Join(f.File.Sync(), f.File.Close()) }

func (logFile) Sync() error                { return nil }
func (logFile) SyncData() error            { return nil }
func (logFile) SyncTo(int64) (bool, error) { return false, nil }
