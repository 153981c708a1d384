package wal

import (
	"errors"
	"fmt"
	"os"
	"sort"
)

// First is the oldest number in the log, 0 when it is empty.
func (l *Log) First() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.empty() {
		return 0
	}
	return l.segments[0].first
}

// Last is the newest number in the log, 0 when it is empty.
func (l *Log) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.empty() {
		return 0
	}
	return l.next() - 1
}

// Next is the number the next append must have.
func (l *Log) Next() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.next()
}

// empty is also true while the first record of all is being written to its new segment.
func (l *Log) empty() bool { return len(l.segments) == 0 || l.next() == l.segments[0].first }

func (l *Log) next() uint64 {
	if n := len(l.segments); n > 0 {
		return l.segments[n-1].next()
	}
	return l.o.First
}

// Read returns the record of a number. ErrNotFound: the log does not hold it. *DamageError: the file changed since
// the log was opened.
func (l *Log) Read(number uint64) ([]byte, error) {
	p, err := l.place(number)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", number, err)
	}
	f, err := os.Open(p.path)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", number, err)
	}
	defer f.Close() // only read
	return p.read(f)
}

// Range calls fn with every record from a number to the newest there is when it is called, in order, and stops at
// fn's first error. A number below First begins at First. The payload is fn's to keep.
func (l *Log) Range(from uint64, fn func(number uint64, payload []byte) error) error {
	last := l.Last()
	var f *os.File
	defer func() {
		if f != nil {
			_ = f.Close() // only read
		}
	}()
	for number := max(from, l.First()); number <= last && last > 0; number++ {
		p, err := l.place(number)
		if err != nil {
			return fmt.Errorf("read record %d: %w", number, err)
		}
		if f == nil || f.Name() != p.path {
			if f != nil {
				_ = f.Close() // only read
			}
			if f, err = os.Open(p.path); err != nil {
				return fmt.Errorf("read record %d: %w", number, err)
			}
		}
		payload, err := p.read(f)
		if err != nil {
			return err
		}
		if err := fn(number, payload); err != nil {
			return err
		}
	}
	return nil
}

// place is the position of a record. Files are opened by path for each read: a few microseconds, and in exchange no
// descriptors are held for old segments and none can be closed under a reader.
type place struct {
	path         string
	salt         salt
	number       uint64
	offset, size int64
}

func (l *Log) place(number uint64) (place, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return place{}, ErrClosed
	}
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].next() > number })
	if i == len(l.segments) || number < l.segments[i].first {
		return place{}, ErrNotFound
	}
	s := l.segments[i]
	offset, size := s.frame(number)
	return place{path: s.path, salt: s.salt, number: number, offset: offset, size: size}, nil
}

func (p place) read(f *os.File) ([]byte, error) {
	frame := make([]byte, p.size)
	if _, err := f.ReadAt(frame, p.offset); err != nil {
		return nil, fmt.Errorf("read record %d: %w", p.number, err)
	}
	payload, ok := decodeFrame(p.salt, p.number, frame)
	if !ok {
		return nil, &DamageError{Path: p.path, Offset: p.offset, Number: p.number, Reason: "the frame changed after the log was opened"}
	}
	return payload, nil
}

func readAt(path string, offset, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, offset)
	return b, errors.Join(err, f.Close())
}
