package wal_test

import (
	"errors"
	"testing"

	"blindseq/kit/wal"
)

func TestARecordIsReadWhenItIsDurable(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{})
	appendUpTo(t, l, 3)
	durable, err := l.Begin(4, payload(4))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(4); !errors.Is(err, wal.ErrNotFound) || l.Last() != 3 {
		t.Errorf("read before it is durable: last is %d, %v", l.Last(), err)
	}
	if err := durable(); err != nil {
		t.Fatal(err)
	}
	requireRecords(t, l, 1, 4)
	if _, err := l.Begin(4, payload(4)); !errors.Is(err, wal.ErrOutOfOrder) {
		t.Errorf("again: %v", err)
	}
	appendUpTo(t, l, 5) // a refusal has kept nothing
}
