package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"blindseq/kit/wal"
)

func open(t testing.TB, dir string, o wal.Options) *wal.Log {
	t.Helper()
	l, err := wal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func closeLog(t testing.TB, l *wal.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// payload is what the tests store under a number: its size varies with the number.
func payload(number uint64) []byte {
	return bytes.Repeat([]byte{byte(number), byte(number >> 8), 0xA5}, int(number%17))
}

func appendUpTo(t testing.TB, l *wal.Log, last uint64) {
	t.Helper()
	for n := l.Next(); n <= last; n++ {
		if err := l.Append(n, payload(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func requireRecords(t testing.TB, l *wal.Log, first, last uint64) {
	t.Helper()
	if l.First() != first || l.Last() != last {
		t.Fatalf("log holds %d to %d, want %d to %d", l.First(), l.Last(), first, last)
	}
	for n := first; n <= last && last > 0; n++ {
		got, err := l.Read(n)
		if err != nil || !bytes.Equal(got, payload(n)) {
			t.Fatalf("record %d: %x, %v", n, got, err)
		}
	}
	if _, err := l.Read(last + 1); !errors.Is(err, wal.ErrNotFound) {
		t.Fatalf("reading record %d: %v", last+1, err)
	}
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "log")
	for last := uint64(5); last <= 15; last += 5 {
		l := open(t, dir, wal.Options{})
		appendUpTo(t, l, last)
		requireRecords(t, l, 1, last)
		closeLog(t, l)
	}
}

func TestEmptyLogHasNoRecords(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{})
	requireRecords(t, l, 0, 0)
	if l.Next() != 1 {
		t.Fatalf("next is %d", l.Next())
	}
}

func TestNumbersAreConsecutiveFromFirst(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{First: 100})
	if err := l.Append(1, nil); !errors.Is(err, wal.ErrOutOfOrder) {
		t.Fatalf("append 1: %v", err)
	}
	appendUpTo(t, l, 110)
	for _, n := range []uint64{0, 110, 112} {
		if err := l.Append(n, nil); !errors.Is(err, wal.ErrOutOfOrder) {
			t.Fatalf("append %d: %v", n, err)
		}
	}
	closeLog(t, l)
	requireRecords(t, open(t, dir, wal.Options{First: 1}), 100, 110)
}

func TestFirstMayStillChangeWhileTheLogIsEmpty(t *testing.T) {
	dir := t.TempDir()
	closeLog(t, open(t, dir, wal.Options{First: 7}))
	l := open(t, dir, wal.Options{First: 3})
	appendUpTo(t, l, 4)
	requireRecords(t, l, 3, 4)
}

func TestLogRollsIntoSegments(t *testing.T) {
	dir := t.TempDir()
	o := wal.Options{SegmentBytes: 300}
	l := open(t, dir, o)
	appendUpTo(t, l, 100)
	requireRecords(t, l, 1, 100)
	closeLog(t, l)
	if n := len(segments(t, dir)); n < 10 {
		t.Fatalf("only %d segments", n)
	}
	l = open(t, dir, o)
	appendUpTo(t, l, 200)
	requireRecords(t, l, 1, 200)
}

func TestOldSegmentsMayBeArchived(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{SegmentBytes: 300})
	appendUpTo(t, l, 100)
	closeLog(t, l)
	if err := os.Remove(segments(t, dir)[0]); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, wal.Options{SegmentBytes: 300})
	if l.First() <= 1 {
		t.Fatalf("first is %d", l.First())
	}
	requireRecords(t, l, l.First(), 100)
	if _, err := l.Read(1); !errors.Is(err, wal.ErrNotFound) {
		t.Fatalf("reading an archived record: %v", err)
	}
}

func TestRangeVisitsInOrderAndStopsAtAnError(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{SegmentBytes: 300})
	appendUpTo(t, l, 60)
	want := uint64(20)
	err := l.Range(20, func(n uint64, p []byte) error {
		if n != want || !bytes.Equal(p, payload(n)) {
			return fmt.Errorf("got record %d (%x), want %d", n, p, want)
		}
		want++
		return nil
	})
	if err != nil || want != 61 {
		t.Fatalf("ended before %d: %v", want, err)
	}
	stop := errors.New("stop")
	calls := 0
	if err := l.Range(0, func(uint64, []byte) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
}

func TestRecordsOverTheLimitAreRefused(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{MaxRecord: 10})
	if err := l.Append(1, make([]byte, 11)); !errors.Is(err, wal.ErrTooLarge) {
		t.Fatal(err)
	}
	if err := l.Append(1, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for _, o := range []wal.Options{{MaxRecord: -1}, {SegmentBytes: 1 << 40}} {
		if _, err := wal.Open(t.TempDir(), o); err == nil {
			t.Fatalf("options %+v accepted", o)
		}
	}
}

func TestOneLogPerDirectory(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, wal.Options{})
	if _, err := wal.Open(dir, wal.Options{}); !errors.Is(err, wal.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	closeLog(t, l)
	open(t, dir, wal.Options{})
}

func TestClosedLogRefuses(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{})
	appendUpTo(t, l, 1)
	closeLog(t, l)
	closeLog(t, l)
	if err := l.Append(2, nil); !errors.Is(err, wal.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := l.Read(1); !errors.Is(err, wal.ErrClosed) {
		t.Fatal(err)
	}
}

func TestReadersSeeOnlyWholeRecordsWhileAppending(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{SegmentBytes: 2000})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				last := l.Last()
				for n := max(l.First(), 1); n <= last; n++ {
					if got, err := l.Read(n); err != nil || !bytes.Equal(got, payload(n)) {
						t.Errorf("record %d: %x, %v", n, got, err)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	appendUpTo(t, l, 300)
	close(done)
	readers.Wait()
}

func TestConcurrentAppendersOfOneNumberHaveOneWinner(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{})
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = l.Append(1, payload(1)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, wal.ErrOutOfOrder) {
			t.Fatal(err)
		}
	}
	if won != 1 {
		t.Fatalf("%d appends succeeded", won)
	}
	requireRecords(t, l, 1, 1)
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 50_000, 500_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			l := open(b, b.TempDir(), wal.Options{})
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := l.Append(l.Next(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
