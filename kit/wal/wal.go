// Package wal is a numbered append-only log of records on disk.
//
// It guarantees: a record is durable when Append returns; numbers are consecutive; Read returns the bytes that were
// appended or an error; after a crash the log holds everything acknowledged, and at most the one record more whose
// Append had not returned. The remains of an interrupted write are cut off when the log is opened. Damage anywhere
// else is never repaired: Open refuses with a *DamageError that says where.
//
// It asks of callers: append from one goroutine (others would wait), and after ErrBroken close the log and open it again, or
// stop the process.
package wal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options of a log; the zero value is good.
type Options struct {
	First        uint64              // number of the first record of a new log, default 1; no effect on one with records
	SegmentBytes int64               // a segment of this size gets no more records, default 64 MiB, at most 1 GiB
	MaxRecord    int                 // largest payload, default 16 MiB, at most 1 GiB
	OnSync       func(time.Duration) // called with the time of each append's write and fsync
	FS           FS                  // the operating system's by default
}

const maxBytes = 1 << 30 // keeps offsets within 32 bits

func (o Options) withDefaults() (Options, error) {
	o.First = cmp.Or(o.First, 1)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 64<<20)
	o.MaxRecord = cmp.Or(o.MaxRecord, 16<<20)
	if o.OnSync == nil {
		o.OnSync = func(time.Duration) {}
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.SegmentBytes < 0 || o.SegmentBytes > maxBytes || o.MaxRecord < 0 || o.MaxRecord > maxBytes {
		return o, fmt.Errorf("segment size %d and record limit %d must be within 1 and %d", o.SegmentBytes, o.MaxRecord, maxBytes)
	}
	return o, nil
}

// Log is an open log. Its methods may be called from any goroutine; readers do not wait for an append in progress.
type Log struct {
	dir  string
	o    Options
	lock *os.File
	torn *TornTail

	appending sync.Mutex // held for a whole append
	active    File       // the last segment; nil until the first append of a log without records
	buf       []byte
	broken    error

	// What readers see; a record enters it once it is durable. Written with both mutexes held, so that either one
	// is enough to read it.
	mu       sync.RWMutex
	segments []*segment
	closed   bool
}

// Open opens the log in dir and creates it if need be. It reads every record once, a buffer at a time.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	if err := makeDir(o.FS, dir); err != nil {
		return nil, fmt.Errorf("create log %s: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	l := &Log{dir: dir, o: o, lock: lock}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open log %s: %w", dir, err), lock.Close())
	}
	return l, nil
}

// makeDir makes a directory, and those above it, durably. One that is there already may have been made by a process
// that was interrupted before it synced; one whose parent may not be read was made by an operator.
func makeDir(fs FS, dir string) error {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(dir); err == nil {
		if err := fs.SyncDir(parent); !errors.Is(err, os.ErrPermission) {
			return err
		}
		return nil
	}
	if err := makeDir(fs, parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return fs.SyncDir(parent)
}

func (l *Log) load() error {
	segments, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	for i, s := range segments {
		if i > 0 && s.first != segments[i-1].next() {
			return s.damage(0, segments[i-1].next(), "the records between two segments are missing")
		}
		if l.torn, err = s.scan(i == len(segments)-1); err != nil {
			return err
		}
	}
	l.segments = segments
	if err := l.dropEmpty(); err != nil {
		return err
	}
	if len(l.segments) == 0 {
		return nil
	}
	return l.rewriteLast(l.segments[len(l.segments)-1])
}

// dropEmpty removes a last segment in which nothing was ever acknowledged. Gone, an empty log begins at
// Options.First again, and a later roll creates the file again.
func (l *Log) dropEmpty() error {
	n := len(l.segments)
	if n == 0 || len(l.segments[n-1].offsets) > 0 {
		return nil
	}
	if err := os.Remove(l.segments[n-1].path); err != nil {
		return err
	}
	l.segments = l.segments[:n-1]
	return l.o.FS.SyncDir(l.dir)
}

// rewriteLast prepares the last segment for appends: it cuts off a torn tail and makes the last record durable.
//
// The last record may have been written without its fsync (the process was killed between them) or with a failed
// one, after which the kernel may hold a page as clean that never reached the disk. So it is rewritten, the
// same bytes in the same place, and synced, before anyone is shown it.
func (l *Log) rewriteLast(s *segment) error {
	number := s.next() - 1
	offset, size := s.frame(number)
	frame, err := readAt(s.path, offset, size)
	if err != nil {
		return err
	}
	f, err := l.o.FS.Open(s.path)
	if err != nil {
		return err
	}
	err = func() error {
		if err := f.Truncate(s.size); err != nil {
			return fmt.Errorf("cut off torn tail: %w", err)
		}
		// gofail: var walSettling struct{}
		if _, err := f.WriteAt(frame, offset); err != nil {
			return fmt.Errorf("rewrite record %d: %w", number, err)
		}
		return f.Sync()
	}()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.active = f
	return nil
}

// Torn says what Open cut off; nil when it found nothing torn.
func (l *Log) Torn() *TornTail { return l.torn }

// Close releases the files and the directory. Reads and appends end with ErrClosed from now on.
func (l *Log) Close() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	if l.closed {
		return nil
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	var err error
	if l.active != nil {
		err = l.active.Close()
	}
	return errors.Join(err, l.lock.Close())
}
