package core

import (
	"errors"
	"os"
	"testing"

	"blindseq/kit/wal"
)

var errDisk = errors.New("input/output error")

// crashingFS does some operations for real and fails the one after them and all later ones; `late` lets the failing
// one happen and be reported as failed, as a crash after it would.
type crashingFS struct {
	good int
	late bool
}

func (f *crashingFS) do(operation func() error) error {
	f.good--
	if f.good < 0 {
		if f.late && f.good == -1 {
			_ = operation()
		}
		return errDisk
	}
	return operation()
}

func (f *crashingFS) open(path string, flag int) (wal.File, error) {
	file, err := os.OpenFile(path, flag, 0o600)
	return crashingFile{file, f}, err
}

func (f *crashingFS) Create(path string) (wal.File, error) {
	return f.open(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
}
func (f *crashingFS) Open(path string) (wal.File, error) { return f.open(path, os.O_WRONLY) }
func (f *crashingFS) Rename(from, to string) error {
	return f.do(func() error { return os.Rename(from, to) })
}
func (f *crashingFS) SyncDir(string) error { return f.do(func() error { return nil }) }

type crashingFile struct {
	*os.File
	fs *crashingFS
}

func (f crashingFile) Sync() error { return f.fs.do(func() error { return nil }) }

func (f crashingFile) Truncate(n int64) error {
	return f.fs.do(func() error { return f.File.Truncate(n) })
}

func (f crashingFile) WriteAt(b []byte, at int64) (int, error) {
	return len(b), f.fs.do(func() error { _, err := f.File.WriteAt(b, at); return err })
}

func TestCrashAtAnyStepKeepsEveryAnswer(t *testing.T) {
	const last = 4
	for _, late := range []bool{false, true} {
		for good := 0; ; good++ {
			o := options(t.TempDir())
			o.FS = &crashingFS{good: good, late: late}
			acknowledged := crash(t, o, last)
			o.FS = nil
			c := open(t, o)
			if c.Last() != acknowledged && c.Last() != acknowledged+1 {
				t.Fatalf("crash %d: last is %d, acknowledged %d", good, c.Last(), acknowledged)
			}
			for n := uint64(1); n <= acknowledged; n++ {
				requirePreblock(t, c, proposal(n, 0))
			}
			// the proposer asks again, perhaps with another content: one of them it is, and stays
			retry := proposal(acknowledged+1, 1)
			a := submit(t, c, retry)
			if (c.Last() != acknowledged+1) || (a.Verdict == Conflicting) != (a.RequestID == "a") {
				t.Fatalf("crash %d: answer %+v, last %d", good, a, c.Last())
			}
			requirePreblock(t, c, map[bool]Proposal{true: proposal(acknowledged+1, 0), false: retry}[a.Verdict == Conflicting])
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if acknowledged == last {
				break
			}
		}
	}
}

// crash submits until the disk fails, or the last number is reached, and returns the last number acknowledged. What
// failed must not be shown, and the core must end.
func crash(t *testing.T, o Options, last uint64) (acknowledged uint64) {
	t.Helper()
	c, err := Open(t.Context(), o)
	if errors.Is(err, errDisk) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= last; n++ {
		if _, err := c.Submit(t.Context(), proposal(n, 0)); err != nil {
			requireStopped(t, c, n, err)
			return n - 1
		}
		requirePreblock(t, c, proposal(n, 0))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return last
}

func requireStopped(t *testing.T, c *Core, number uint64, err error) {
	t.Helper()
	if !errors.Is(err, ErrStorage) || !errors.Is(err, errDisk) {
		t.Fatalf("submit %d: %v", number, err)
	}
	if _, err := c.Preblock(number); !errors.Is(err, ErrNotFixed) {
		t.Fatalf("preblock %d after its write failed: %v", number, err)
	}
	if _, err := c.Submit(t.Context(), proposal(number, 0)); !errors.Is(err, ErrStorage) {
		t.Fatalf("submit %d again: %v", number, err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, ErrStorage) {
		t.Fatalf("run: %v", err)
	}
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	o := options(t.TempDir())
	open(t, o)
	if _, err := Open(t.Context(), o); !errors.Is(err, wal.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
}
