package wal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Append adds the record of a number and returns when it is durable. ErrOutOfOrder: the number is not Next, nothing
// happened. ErrTooLarge: nothing happened. After any other error the log is ErrBroken and the record may or may not
// be found when it is opened again.
func (l *Log) Append(number uint64, payload []byte) error {
	durable, err := l.Begin(number, payload)
	if err != nil {
		return err
	}
	return durable()
}

// Begin is Append for a caller that has something else to do while the disk works. It returns when the record is written, and durable
// waits until it is on the disk; no reader sees it before. durable must be called, once: nothing else is appended until then.
func (l *Log) Begin(number uint64, payload []byte) (durable func() error, err error) {
	l.appending.Lock()
	if err := l.check(number, payload); err != nil {
		l.appending.Unlock()
		return nil, fmt.Errorf("append record %d: %w", number, err)
	}
	start := time.Now()
	synced := make(chan error, 1)
	if err := l.write(number, payload); err != nil {
		synced <- err
	} else {
		go func() { synced <- l.sync() }()
	}
	return func() error {
		defer l.appending.Unlock()
		if err := <-synced; err != nil {
			l.broken = err
			return fmt.Errorf("append record %d: %w: %w", number, ErrBroken, err)
		}
		l.show()
		l.o.OnSync(time.Since(start))
		return nil
	}, nil
}

func (l *Log) check(number uint64, payload []byte) error {
	switch next := l.next(); {
	case l.closed:
		return ErrClosed
	case l.broken != nil:
		return fmt.Errorf("%w: %w", ErrBroken, l.broken)
	case number != next:
		return fmt.Errorf("%w: expected %d", ErrOutOfOrder, next)
	case len(payload) > l.o.MaxRecord:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(payload), l.o.MaxRecord)
	}
	return nil
}

func (l *Log) write(number uint64, payload []byte) error {
	if err := l.roll(number); err != nil {
		return err
	}
	s := l.segments[len(l.segments)-1]
	l.buf = appendFrame(l.buf[:0], s.salt, number, payload)
	// gofail: var walAppending struct{}
	if _, err := l.active.WriteAt(l.buf, s.size); err != nil {
		return s.failed("write", err)
	}
	// gofail: var walWritten struct{}
	return nil
}

func (l *Log) sync() error {
	s := l.segments[len(l.segments)-1]
	if err := l.active.Sync(); err != nil {
		return s.failed("sync", err)
	}
	// gofail: var walSynced struct{}
	return nil
}

// show lets readers see the record that was written.
func (l *Log) show() {
	s := l.segments[len(l.segments)-1]
	l.mu.Lock()
	s.offsets = append(s.offsets, uint32(s.size))
	s.size += int64(len(l.buf))
	l.mu.Unlock()
	if cap(l.buf) > keepBuffer {
		l.buf = nil
	}
}

// failed names the segment: its file was made under another name, which the file's own errors still have.
func (s *segment) failed(action string, err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s %s: %w", action, s.path, err)
}

// keepBuffer is the largest buffer kept for the next append, so that one huge record does not stay in memory.
const keepBuffer = 1 << 20

// roll begins a new segment when there is none or the last one is full.
func (l *Log) roll(number uint64) error {
	if n := len(l.segments); n > 0 && l.segments[n-1].size < l.o.SegmentBytes {
		return nil
	}
	s, f, err := createSegment(l.o.FS, l.dir, number)
	if err != nil {
		return fmt.Errorf("create segment: %w", err)
	}
	old := l.active
	l.active = f
	l.mu.Lock()
	l.segments = append(l.segments, s)
	l.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}
