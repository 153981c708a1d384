package wal_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"blindseq/kit/wal"
)

var errDisk = errors.New("no space left on device")

// failingFS does the first `good` operations for real and fails every later one; a failing write writes a half.
type failingFS struct {
	good int
	done int
}

func (f *failingFS) step() error {
	if f.done >= f.good {
		return errDisk
	}
	f.done++
	return nil
}

func (f *failingFS) file(file *os.File, err error) (wal.File, error) {
	if err != nil {
		return nil, err
	}
	if err := f.step(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return failingFile{file, f}, nil
}

func (f *failingFS) Create(path string) (wal.File, error) { return f.file(os.Create(path)) }

func (f *failingFS) Open(path string) (wal.File, error) {
	return f.file(os.OpenFile(path, os.O_WRONLY, 0))
}

func (f *failingFS) Rename(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (f *failingFS) SyncDir(string) error { return f.step() }

type failingFile struct {
	*os.File
	fs *failingFS
}

func (f failingFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.fs.step(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], at)
		return n, err
	}
	return f.File.WriteAt(b, at)
}

func (f failingFile) Sync() error { return f.fs.step() }

func (f failingFile) Truncate(size int64) error {
	if err := f.fs.step(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// fill opens the log and appends up to record 20; it returns the last number acknowledged.
func fill(t *testing.T, dir string, fs wal.FS) (acknowledged uint64, err error) {
	t.Helper()
	l, err := wal.Open(dir, wal.Options{SegmentBytes: 200, FS: fs})
	if err != nil {
		return 0, err
	}
	defer closeLog(t, l)
	acknowledged = l.Last()
	for n := l.Next(); n <= 20; n++ {
		if err := l.Append(n, payload(n)); err != nil {
			if again := l.Append(n, payload(n)); !errors.Is(again, wal.ErrBroken) || !errors.Is(again, errDisk) {
				t.Fatalf("append on a broken log: %v", again)
			}
			if l.Last() != acknowledged {
				t.Fatalf("record %d is shown, acknowledged was %d", l.Last(), acknowledged)
			}
			return acknowledged, err
		}
		acknowledged = n
	}
	return acknowledged, nil
}

func TestDiskFailingAtAnyStepLosesNothingAcknowledged(t *testing.T) {
	for good := 0; ; good++ {
		dir := t.TempDir()
		acknowledged, err := fill(t, dir, &failingFS{good: good})
		if err == nil {
			if good < 50 {
				t.Fatalf("only %d operations", good)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		l := open(t, dir, wal.Options{SegmentBytes: 200})
		if l.Last() != acknowledged && l.Last() != acknowledged+1 {
			t.Fatalf("after %d operations: log ends at %d, acknowledged %d", good, l.Last(), acknowledged)
		}
		appendUpTo(t, l, 20)
		requireRecords(t, l, 1, 20)
		closeLog(t, l)
	}
}

func TestDiskFailingWhileOpeningLosesNothing(t *testing.T) {
	for good := 0; ; good++ {
		dir, _ := rolled(t)
		l, err := wal.Open(dir, wal.Options{SegmentBytes: 300, FS: &failingFS{good: good}})
		if err == nil {
			closeLog(t, l)
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		l = open(t, dir, wal.Options{SegmentBytes: 300})
		requireRecords(t, l, 1, 60)
		closeLog(t, l)
	}
}

func TestOnSyncIsToldOfEveryAppend(t *testing.T) {
	calls := 0
	l := open(t, t.TempDir(), wal.Options{OnSync: func(time.Duration) { calls++ }})
	appendUpTo(t, l, 3)
	if calls != 3 {
		t.Fatalf("%d calls", calls)
	}
}

// shutFS makes files that take a header and are shut by the first record.
type shutFS struct{ failingFS }

func (f *shutFS) Create(path string) (wal.File, error) {
	file, err := os.Create(path)
	return shutFile{failingFile{file, &f.failingFS}}, err
}

type shutFile struct{ failingFile }

func (f shutFile) WriteAt(b []byte, at int64) (int, error) {
	if at > 0 {
		f.File.Close()
	}
	return f.File.WriteAt(b, at)
}

func TestAWriteErrorNamesTheFileAsItIsCalled(t *testing.T) {
	dir := t.TempDir()
	l, err := wal.Open(dir, wal.Options{FS: &shutFS{failingFS{good: 100}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // its file is shut already
	err = l.Append(1, payload(1))
	if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "write "+segments(t, dir)[0]+":") {
		t.Fatalf("got %v, the file is %s", err, segments(t, dir)[0])
	}
}
