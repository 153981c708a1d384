package stoplist

import (
	"strings"

	"github.com/cockroachdb/pebble/vfs"
)

// files is the store's file system. What is written to the store's log goes to the operating system at once and is never
// synced: it outlives a process that is killed, for the price of a write; what a crash of the machine takes is made again.
// Everything else is synced, so that the store is sound whatever was taken.
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

// logFile is a file whose syncs do nothing.
type logFile struct{ vfs.File }

func (logFile) Sync() error                { return nil }
func (logFile) SyncData() error            { return nil }
func (logFile) SyncTo(int64) (bool, error) { return false, nil }
