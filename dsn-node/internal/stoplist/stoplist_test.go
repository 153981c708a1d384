package stoplist_test

import (
	"os"
	"testing"

	"blindseq/dsn-node/internal/stoplist"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

func open(t *testing.T, dir string) *stoplist.List {
	t.Helper()
	l, err := stoplist.Open(dir, 5)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func id(b byte) common.Hash { return common.Hash{b, 0xff, b} }

func TestForgottenNumbersAreAddedAnew(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for n := uint64(5); n <= 8; n++ {
		if err := l.Add(n, []stoplist.Entry{{ID: id(byte(n)), Index: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Forget(7); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also after it was opened again
		if l.Applied() != 6 || l.Forgotten() != 1 {
			t.Errorf("applied %d, forgotten %d", l.Applied(), l.Forgotten())
		}
		for n := uint64(5); n <= 8; n++ {
			place, known, err := l.First(id(byte(n)))
			if err != nil || known != (n < 7) || known && place != (outcome.Place{Number: n, Index: 1}) {
				t.Errorf("number %d: %v, %v, %v", n, place, known, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir)
	}
	if err := l.Add(7, []stoplist.Entry{{ID: id(8), Index: 3}}); err != nil {
		t.Fatal(err)
	}
	if place, known, err := l.First(id(8)); err != nil || !known || place != (outcome.Place{Number: 7, Index: 3}) {
		t.Errorf("after it was added anew: %v, %v, %v", place, known, err)
	}
	if err := l.Forget(100); err != nil || l.Applied() != 7 || l.Forgotten() != 2 {
		t.Errorf("nothing to forget: applied %d, forgotten %d, %v", l.Applied(), l.Forgotten(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A copy of the directory as it is has what a killed process leaves: what was given to the operating system.
func TestWhatWasAddedOutlivesAKilledProcess(t *testing.T) {
	dir, left := t.TempDir(), t.TempDir()
	l := open(t, dir)
	t.Cleanup(func() { _ = l.Close() })
	for n := uint64(5); n <= 8; n++ {
		if err := l.Add(n, []stoplist.Entry{{ID: id(byte(n)), Index: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after := open(t, left)
	if after.Applied() != 8 {
		t.Errorf("applied %d, 8 were added", after.Applied())
	}
	if place, known, err := after.First(id(8)); err != nil || !known || place != (outcome.Place{Number: 8, Index: 1}) {
		t.Errorf("the last one: %v, %v, %v", place, known, err)
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
}
