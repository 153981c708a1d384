package wal

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"os"
)

// TornTail says what Open cut off: the remains of a frame whose write was interrupted, so never acknowledged.
type TornTail struct {
	Path   string
	Offset int64
	Bytes  int64
	Number uint64 // the record that was being written
}

// scanner walks over the frames of one segment file without holding more than one buffer of it.
type scanner struct {
	seg  *segment
	r    *bufio.Reader
	crc  hash.Hash32
	size int64 // of the file
}

// scan fills in the segment from its file. last says that a torn tail may be there: a segment that has a successor
// was complete and durable before that was made.
func (s *segment) scan(last bool) (*TornTail, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > math.MaxUint32 {
		return nil, s.damage(0, s.first, "the file is larger than any segment")
	}
	sc := &scanner{seg: s, r: bufio.NewReaderSize(f, 1<<18), crc: crc32.New(castagnoli()), size: info.Size()}
	if err := s.readHeader(sc.r); err != nil {
		return nil, err
	}
	s.size = segmentHeaderSize
	for s.size < sc.size {
		skipped, err := sc.frame()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.path, err)
		}
		if skipped < 0 {
			continue
		}
		return sc.tail(last, skipped)
	}
	return nil, nil
}

// frame takes the next frame into the segment. When it is not sound, skipped is how many of its bytes were read;
// a sound one gives -1.
func (sc *scanner) frame() (skipped int64, err error) {
	s := sc.seg
	b, err := sc.r.Peek(frameHeaderSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	h, ok := decodeHeader(s.salt, b)
	if !ok {
		return 0, nil
	}
	if h.number != s.next() {
		return 0, s.damage(s.size, s.next(), fmt.Sprintf("record %d stands there", h.number))
	}
	if _, err := sc.r.Discard(frameHeaderSize); err != nil {
		return 0, err
	}
	sc.crc.Reset()
	n, err := io.CopyN(sc.crc, sc.r, int64(h.length))
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if errors.Is(err, io.EOF) || sc.crc.Sum32() != h.payloadCRC {
		return frameHeaderSize + n, nil
	}
	s.offsets = append(s.offsets, uint32(s.size))
	s.size += frameHeaderSize + int64(h.length)
	return -1, nil
}

// tail decides what an unsound frame at the segment's end means: the remains of an interrupted write when nothing
// follows, damage when something does. The bytes of a frame with a sound header are not searched: they are payload.
func (sc *scanner) tail(last bool, skipped int64) (*TornTail, error) {
	s := sc.seg
	if !last {
		return nil, s.damage(s.size, s.next(), "the frame is not sound and a later segment exists")
	}
	if skipped == 0 {
		if _, err := sc.r.Discard(1); err != nil {
			return nil, err
		}
		skipped = 1
	}
	for at := s.size + skipped; ; at++ {
		b, err := sc.r.Peek(frameHeaderSize)
		if errors.Is(err, io.EOF) {
			return &TornTail{Path: s.path, Offset: s.size, Bytes: sc.size - s.size, Number: s.next()}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.path, err)
		}
		if h, ok := decodeHeader(s.salt, b); ok {
			return nil, s.damage(s.size, s.next(), fmt.Sprintf("the frame is not sound and record %d follows at offset %d", h.number, at))
		}
		if _, err := sc.r.Discard(1); err != nil {
			return nil, err
		}
	}
}
