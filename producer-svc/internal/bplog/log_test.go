package bplog

import (
	"blindseq/producer-svc/logrecord"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"blindseq/kit/content"
	"blindseq/kit/wal"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func hash(n uint64, salt string) content.Hash {
	return content.Keccak(fmt.Appendf(nil, "%d/%s", n, salt))
}

// record is blueprint n on top of head hash(n-1, "head").
func record(n uint64) *blueprintv1.LogRecord {
	parent, body := hash(n-1, "head"), hash(n, "content")
	return &blueprintv1.LogRecord{
		Number: n, ParentHash: parent[:], ContentHash: body[:], Timestamp: timestamppb.New(timestamppb.Now().AsTime()),
		Transactions: [][]byte{{1, 2, 3}}, RequestId: fmt.Sprintf("r-%d", n), Token: 10 + n, Holder: "a",
	}
}

func open(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func fill(t *testing.T, l *Log, last uint64) {
	t.Helper()
	for n := l.Last() + 1; n <= last; n++ {
		if err := l.Append(record(n), hash(n-1, "head")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyTheNextBlueprintOnTheHeadUnderAFreshTokenIsAppended(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*blueprintv1.LogRecord)
		want   error
	}{
		"the next one":                   {func(*blueprintv1.LogRecord) {}, nil},
		"same token and holder":          {func(r *blueprintv1.LogRecord) { r.Token = 13 }, nil},
		"an identical repeat":            {func(r *blueprintv1.LogRecord) { proto.Reset(r); proto.Merge(r, record(2)) }, logrecord.ErrRepeated},
		"a repeat by a stale holder":     {func(r *blueprintv1.LogRecord) { proto.Reset(r); proto.Merge(r, record(2)); r.Token = 1 }, logrecord.ErrRepeated},
		"other content":                  {func(r *blueprintv1.LogRecord) { r.Number = 2 }, logrecord.ErrConflict},
		"a gap":                          {func(r *blueprintv1.LogRecord) { r.Number = 5 }, logrecord.ErrGap},
		"another parent":                 {func(r *blueprintv1.LogRecord) { r.ParentHash[0] ^= 1 }, logrecord.ErrParent},
		"an older token":                 {func(r *blueprintv1.LogRecord) { r.Token = 12 }, logrecord.ErrStaleToken},
		"a token minted twice":           {func(r *blueprintv1.LogRecord) { r.Token, r.Holder = 13, "b" }, logrecord.ErrStaleToken},
		"no token":                       {func(r *blueprintv1.LogRecord) { r.Token = 0 }, logrecord.ErrMalformed},
		"no holder":                      {func(r *blueprintv1.LogRecord) { r.Holder = "" }, logrecord.ErrMalformed},
		"no content hash":                {func(r *blueprintv1.LogRecord) { r.ContentHash = nil }, logrecord.ErrMalformed},
		"number 0":                       {func(r *blueprintv1.LogRecord) { r.Number = 0 }, logrecord.ErrMalformed},
		"the last number, other content": {func(r *blueprintv1.LogRecord) { r.Number = 3 }, logrecord.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, t.TempDir(), Options{})
			fill(t, l, 3)
			rec := record(4)
			c.change(rec)
			if err := l.Append(rec, hash(3, "head")); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want != nil && (l.Last() != 3 || l.LastToken() != 13) {
				t.Fatal("a refused record changed the log")
			}
		})
	}
}

func TestWhatWasAppendedIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	want := record(1)
	if err := l.Append(want, hash(0, "head")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, Options{})
	got, err := l.Get(1)
	if err != nil || !proto.Equal(got, want) {
		t.Fatalf("got %v, %v", got, err)
	}
	if _, err := l.Get(2); !errors.Is(err, ErrNotFound) {
		t.Fatalf("beyond the end: got %v", err)
	}
	if err := l.Append(record(2), hash(1, "head")); err != nil || l.LastToken() != 12 {
		t.Fatalf("the token was forgotten: %d, %v", l.LastToken(), err)
	}
}

func TestRequestsAreFoundAgainWithinTheBound(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // built while appending, then rebuilt when opening
		l := open(t, dir, Options{Requests: 3})
		fill(t, l, 5)
		for id, want := range map[string]uint64{"r-3": 3, "r-4": 4, "r-5": 5, "r-2": 0, "": 0} {
			if got, ok := l.ByRequest(id); got != want || ok != (want != 0) {
				t.Errorf("%q: got %d, want %d", id, got, want)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneOfManyWritersOfANumberWins(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() {
			rec := record(1)
			body := hash(1, fmt.Sprint(i))
			rec.ContentHash = body[:]
			results[i] = l.Append(rec, hash(0, "head"))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, logrecord.ErrConflict) {
			t.Errorf("got %v", err)
		}
	}
	if won != 1 || l.Last() != 1 {
		t.Fatalf("%d writers won", won)
	}
}

// A crash leaves the log as it was at some byte: every such state opens with a prefix of the records and goes on.
func TestATornTailIsCutAndTheLogGoesOn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	fill(t, l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var segment string
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > 0 {
			segment = f
		}
	}
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole) - 1; cut > len(whole)-60; cut -= 7 {
		copied := t.TempDir()
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(segment)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, copied, Options{})
		if l.Last() != 2 || l.LastToken() != 12 {
			t.Fatalf("cut at %d: last %d, token %d", cut, l.Last(), l.LastToken())
		}
		fill(t, l, 3)
	}
}

func TestADamagedMiddleIsRefusedWithItsPlace(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	fill(t, l, 20)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) == 0 {
			continue
		}
		raw[len(raw)/2] ^= 1
		if err := os.WriteFile(f, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(dir, Options{})
	var damage *wal.DamageError
	if !errors.As(err, &damage) || damage.Number == 0 {
		t.Fatalf("got %v", err)
	}
}
