package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A segment is one file of the log: a header, then frames of consecutive numbers. Its name is its first number.
//
//	magic(8) first number(8) salt(8) crc32c of the 24 bytes before(4) frames...
const (
	segmentMagic      = "bsqwal\x00\x01"
	segmentHeaderSize = 28
	segmentSuffix     = ".wal"
	tmpSuffix         = ".tmp"
)

type segment struct {
	path    string
	first   uint64
	salt    salt
	offsets []uint32 // where each record's frame begins
	size    int64    // where the next frame begins
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// next is the number that follows the segment's last record.
func (s *segment) next() uint64 { return s.first + uint64(len(s.offsets)) }

// frame says where in the file the frame of a number is.
func (s *segment) frame(number uint64) (offset, size int64) {
	i := number - s.first
	offset, end := int64(s.offsets[i]), s.size
	if i+1 < uint64(len(s.offsets)) {
		end = int64(s.offsets[i+1])
	}
	return offset, end - offset
}

func (s *segment) damage(offset int64, number uint64, reason string) error {
	return &DamageError{Path: s.path, Offset: offset, Number: number, Reason: reason}
}

// createSegment makes a segment and its header durable. It gets its name only then, so a file of that name always
// has a whole header and a missing one is damage.
func createSegment(fs FS, dir string, first uint64) (*segment, File, error) {
	s := &segment{path: segmentPath(dir, first), first: first, size: segmentHeaderSize}
	rand.Read(s.salt[:])
	f, err := fs.Create(s.path + tmpSuffix)
	if err != nil {
		return nil, nil, err
	}
	err = func() error {
		if _, err := f.WriteAt(s.header(), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := fs.Rename(s.path+tmpSuffix, s.path); err != nil {
			return err
		}
		return fs.SyncDir(dir)
	}()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return s, f, nil
}

func (s *segment) header() []byte {
	b := append(make([]byte, 0, segmentHeaderSize), segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, s.first)
	b = append(b, s.salt[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

func (s *segment) readHeader(r io.Reader) error {
	var b [segmentHeaderSize]byte
	_, err := io.ReadFull(r, b[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	sound := err == nil && string(b[:8]) == segmentMagic &&
		binary.LittleEndian.Uint32(b[24:]) == crc32.Checksum(b[:24], castagnoli())
	if !sound {
		return s.damage(0, s.first, "the header of the file is not sound")
	}
	if first := binary.LittleEndian.Uint64(b[8:]); first != s.first {
		return s.damage(0, s.first, fmt.Sprintf("the file begins with record %d", first))
	}
	copy(s.salt[:], b[16:])
	return nil
}

// listSegments returns the segments of a directory in order, their files not read yet, and removes what an
// interrupted creation left.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []*segment
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(path, segmentSuffix+tmpSuffix) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		first, err := strconv.ParseUint(name, 10, 64)
		if err != nil || first == 0 || segmentPath(dir, first) != path {
			return nil, &DamageError{Path: path, Reason: "the name of the file is not a record number"}
		}
		segments = append(segments, &segment{path: path, first: first})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return segments, nil
}
