package wal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"blindseq/kit/wal"
)

// written makes a log of records 1 to last in one segment and returns its bytes and where each frame begins; the
// last offset is the end of the file.
func written(t testing.TB, last uint64) (file []byte, offsets []int) {
	t.Helper()
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	for n := uint64(1); n <= last; n++ {
		appendUpTo(t, l, n)
		info, err := os.Stat(segments(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, int(info.Size())-24-len(payload(n)))
	}
	closeLog(t, l)
	file, err := os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	return file, append(offsets, len(file))
}

func dirWith(t testing.TB, file []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "00000000000000000001.wal"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// requireCut opens a log whose last frame is torn and appends over it.
func requireCut(t *testing.T, file []byte, last uint64, offset int) {
	t.Helper()
	dir := dirWith(t, file)
	l := open(t, dir, wal.Options{})
	requireRecords(t, l, min(last, 1), last)
	if torn := l.Torn(); offset < len(file) && (torn == nil || torn.Offset != int64(offset) || torn.Number != last+1) {
		t.Fatalf("torn tail reported: %+v", torn)
	}
	appendUpTo(t, l, last+2)
	closeLog(t, l)
	l = open(t, dir, wal.Options{})
	requireRecords(t, l, 1, last+2)
	if l.Torn() != nil {
		t.Fatalf("torn again: %+v", l.Torn())
	}
	closeLog(t, l)
}

func requireDamage(t *testing.T, dir string, offset int, number uint64) {
	t.Helper()
	_, err := wal.Open(dir, wal.Options{SegmentBytes: 300})
	var damage *wal.DamageError
	if !errors.As(err, &damage) {
		t.Fatalf("opened with %v", err)
	}
	if damage.Offset != int64(offset) || damage.Number != number || filepath.Dir(damage.Path) != dir {
		t.Fatalf("damage at offset %d, record %d expected: %v", offset, number, damage)
	}
}

func TestTornTailIsCutAtEveryByteOfTheLastFrame(t *testing.T) {
	file, offsets := written(t, 5)
	for end := offsets[4]; end < len(file); end++ {
		requireCut(t, file[:end], 4, offsets[4])
	}
}

func TestTornFirstFrameLeavesAnEmptyLog(t *testing.T) {
	file, offsets := written(t, 1)
	for end := offsets[0]; end < len(file); end++ {
		requireCut(t, file[:end], 0, offsets[0])
	}
}

func TestLastFrameWithAnyByteUnwrittenIsCut(t *testing.T) {
	file, offsets := written(t, 5)
	for at := offsets[4]; at < len(file); at++ {
		torn := bytes.Clone(file)
		torn[at] ^= 0xFF
		requireCut(t, torn, 4, offsets[4])
	}
}

func TestZeroesAfterTheLastFrameAreCut(t *testing.T) {
	file, offsets := written(t, 5)
	requireCut(t, append(bytes.Clone(file[:offsets[4]]), make([]byte, 5000)...), 4, offsets[4])
	requireCut(t, append(bytes.Clone(file), make([]byte, 10)...), 5, len(file))
}

func TestDamageAtEveryByteOfAnEarlierFrameIsRefused(t *testing.T) {
	file, offsets := written(t, 5)
	for frame := range 4 {
		for at := offsets[frame]; at < offsets[frame+1]; at++ {
			damaged := bytes.Clone(file)
			damaged[at] ^= 1
			requireDamage(t, dirWith(t, damaged), offsets[frame], uint64(frame+1))
		}
	}
}

func TestDamageBeforeATornTailIsRefused(t *testing.T) {
	file, offsets := written(t, 5)
	damaged := bytes.Clone(file[:len(file)-1])
	damaged[offsets[2]+24] ^= 1
	requireDamage(t, dirWith(t, damaged), offsets[2], 3)
}

func TestMissingFrameIsRefused(t *testing.T) {
	file, offsets := written(t, 5)
	requireDamage(t, dirWith(t, append(bytes.Clone(file[:offsets[1]]), file[offsets[2]:]...)), offsets[1], 2)
}

func TestDamageInTheSegmentHeaderIsRefused(t *testing.T) {
	file, _ := written(t, 2)
	for at := range 28 {
		damaged := bytes.Clone(file)
		damaged[at] ^= 1
		requireDamage(t, dirWith(t, damaged), 0, 1)
	}
	requireDamage(t, dirWith(t, file[:20]), 0, 1)
}

// rolled makes a log of several segments and returns its directory and their paths.
func rolled(t *testing.T) (dir string, paths []string) {
	t.Helper()
	dir = t.TempDir()
	l := open(t, dir, wal.Options{SegmentBytes: 300})
	appendUpTo(t, l, 60)
	closeLog(t, l)
	return dir, segments(t, dir)
}

func TestTornEarlierSegmentIsRefused(t *testing.T) {
	dir, paths := rolled(t)
	info, err := os.Stat(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(paths[1], info.Size()-1); err != nil {
		t.Fatal(err)
	}
	_, err = wal.Open(dir, wal.Options{})
	var damage *wal.DamageError
	if !errors.As(err, &damage) || damage.Path != paths[1] {
		t.Fatalf("opened with %v", err)
	}
}

func TestMissingAndStraySegmentsAreRefused(t *testing.T) {
	dir, paths := rolled(t)
	if err := os.Rename(paths[2], paths[2]+".away"); err != nil {
		t.Fatal(err)
	}
	var damage *wal.DamageError
	if _, err := wal.Open(dir, wal.Options{}); !errors.As(err, &damage) || damage.Path != paths[3] {
		t.Fatalf("opened with %v", err)
	}
	if err := os.Rename(paths[2]+".away", filepath.Join(dir, "notes.wal")); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Open(dir, wal.Options{}); !errors.As(err, &damage) || filepath.Base(damage.Path) != "notes.wal" {
		t.Fatalf("opened with %v", err)
	}
}

func TestInterruptedRollIsForgotten(t *testing.T) {
	dir, paths := rolled(t)
	header, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "00000000000000000061.wal.tmp")
	if err := os.WriteFile(tmp, header[:13], 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, wal.Options{SegmentBytes: 300})
	requireRecords(t, l, 1, 60)
	if _, err := os.Stat(tmp); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("left-over file: %v", err)
	}
	appendUpTo(t, l, 70)
	requireRecords(t, l, 1, 70)
}

func TestReadNoticesDamageDoneAfterOpening(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	appendUpTo(t, l, 3)
	f, err := os.OpenFile(segments(t, dir)[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xFF}, 28); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var damage *wal.DamageError
	if _, err := l.Read(1); !errors.As(err, &damage) {
		t.Fatalf("read: %v", err)
	}
}
