package wal_test

import (
	"bytes"
	"errors"
	"testing"

	"blindseq/kit/wal"
)

// FuzzOpen puts any bytes behind a sound segment header and frames. The log opens with the sound records before
// them, or refuses with a DamageError; once open it takes records and keeps them.
func FuzzOpen(f *testing.F) {
	file, offsets := written(f, 4)
	f.Add([]byte{}, uint16(0), uint8(0))
	f.Add(file[offsets[3]:], uint16(offsets[3]), uint8(1))
	f.Add(file[offsets[2]:], uint16(offsets[3]), uint8(0))
	f.Add(make([]byte, 100), uint16(len(file)), uint8(0))
	f.Fuzz(func(t *testing.T, tail []byte, keep uint16, flip uint8) {
		content := append(bytes.Clone(file[:min(int(keep), len(file))]), tail...)
		if len(content) > 0 {
			content[int(flip)%len(content)] ^= flip
		}
		dir := dirWith(t, content)
		l, err := wal.Open(dir, wal.Options{})
		if err != nil {
			var damage *wal.DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("open: %v", err)
			}
			return
		}
		defer l.Close() // checked below
		last := l.Last()
		before := make([][]byte, last+1)
		for n := uint64(1); n <= last; n++ {
			if before[n], err = l.Read(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Append(last+1, []byte("new")); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		l = open(t, dir, wal.Options{})
		if got, err := l.Read(last + 1); err != nil || string(got) != "new" || l.Torn() != nil {
			t.Fatalf("after reopening: %q, %v, %+v", got, err, l.Torn())
		}
		for n := uint64(1); n <= last; n++ {
			if got, err := l.Read(n); err != nil || !bytes.Equal(got, before[n]) {
				t.Fatalf("record %d changed: %x, %v", n, got, err)
			}
		}
		closeLog(t, l)
	})
}
