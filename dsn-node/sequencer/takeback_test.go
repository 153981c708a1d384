package sequencer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"blindseq/kit/wal"
)

// logOf writes a log of proposals that ends with a number.
func logOf(t *testing.T, first, last uint64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	log, err := wal.Open(filepath.Join(dir, "proposals"), wal.Options{First: first})
	if err != nil {
		t.Fatal(err)
	}
	for number := first; number <= last; number++ {
		if err := log.Append(number, []byte{byte(number)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheLastNumberIsTakenBackIntoANewDirectory(t *testing.T) {
	from, to := logOf(t, 3, 6), filepath.Join(t.TempDir(), "new")
	if err := os.MkdirAll(filepath.Join(to+".part", "proposals"), 0o700); err != nil { // of a run that was killed
		t.Fatal(err)
	}
	if err := (TakeBack{from, to, 6}).Run(); err != nil {
		t.Fatal(err)
	}
	for dir, last := range map[string]uint64{from: 6, to: 5} {
		log, err := wal.Open(filepath.Join(dir, "proposals"), wal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if log.First() != 3 || log.Last() != last {
			t.Errorf("%s has numbers %d to %d, not 3 to %d", dir, log.First(), log.Last(), last)
		}
		for number := log.First(); number <= log.Last(); number++ {
			if record, err := log.Read(number); err != nil || len(record) != 1 || record[0] != byte(number) {
				t.Errorf("record %d: %v, %v", number, record, err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingElseIsTakenBack(t *testing.T) {
	certified := logOf(t, 1, 6)
	if err := os.Mkdir(filepath.Join(certified, "decisions"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		c    TakeBack
		want error
	}{
		"before the last":    {TakeBack{DataDir: logOf(t, 1, 6), Number: 5}, ErrNotLast},
		"after the last":     {TakeBack{DataDir: logOf(t, 1, 6), Number: 7}, ErrNotLast},
		"with keyholders":    {TakeBack{DataDir: certified, Number: 6}, ErrKeyholdersDecide},
		"no directory":       {TakeBack{DataDir: filepath.Join(t.TempDir(), "none"), Number: 1}, fs.ErrNotExist},
		"into what is there": {TakeBack{DataDir: logOf(t, 1, 6), Number: 6, To: t.TempDir()}, fs.ErrExist},
	} {
		if k.c.To == "" {
			k.c.To = filepath.Join(t.TempDir(), "new")
		}
		if err := k.c.Run(); !errors.Is(err, k.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(k.c.To); !errors.Is(k.want, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a directory is there: %v", name, err)
		}
	}
}
