package stoplist

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/vfs"
	"github.com/ethereum/go-ethereum/common"
)

// The store opens after a crash of the machine with one torn log, its last. So a log is synced when it is over; before that
// nobody waits for it.
func TestALogIsSyncedWhenItIsOver(t *testing.T) {
	fs := &watchedFS{FS: vfs.NewMem()}
	l, err := openIn(fs, "list", 1)
	if err != nil {
		t.Fatal(err)
	}
	entries := make([]Entry, 10_000)
	for n := uint64(1); fs.over.Load() < 3; n++ {
		for i := range entries {
			entries[i] = Entry{ID: common.Hash(binary.BigEndian.AppendUint64(make([]byte, 24), n<<32|uint64(i))), Index: uint32(i)}
		}
		if err := l.Add(n, entries); err != nil {
			t.Fatal(err)
		}
	}
	if synced, over := fs.synced.Load(), fs.over.Load(); synced != over {
		t.Errorf("%d logs are over, logs were synced %d times", over, synced)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if torn := fs.torn.Load(); torn != 0 {
		t.Errorf("%d logs were closed and not on the disk", torn)
	}
}

// watchedFS counts what becomes of logs: how often one was synced, how many were closed, and how many of these were not
// synced after their last write.
type watchedFS struct {
	vfs.FS
	synced, over, torn atomic.Int64
}

func (fs *watchedFS) Create(name string) (vfs.File, error) {
	f, err := fs.FS.Create(name)
	return fs.watch(name, f), err
}

func (fs *watchedFS) ReuseForWrite(old, name string) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name)
	return fs.watch(name, f), err
}

func (fs *watchedFS) watch(name string, f vfs.File) vfs.File {
	if f == nil || !strings.HasSuffix(name, ".log") {
		return f
	}
	return &watchedLog{File: f, fs: fs}
}

type watchedLog struct {
	vfs.File
	fs    *watchedFS
	dirty bool
}

func (f *watchedLog) Write(p []byte) (int, error) {
	f.dirty = true
	return f.File.Write(p)
}

func (f *watchedLog) Sync() error {
	f.dirty = false
	f.fs.synced.Add(1)
	return f.File.Sync()
}

func (f *watchedLog) Close() error {
	if f.dirty {
		f.fs.torn.Add(1)
	}
	f.fs.over.Add(1)
	return f.File.Close()
}
