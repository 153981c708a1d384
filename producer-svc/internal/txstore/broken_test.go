package txstore

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// full is a database on a full disk: it panics, as pebble does.
type full struct{ ethdb.KeyValueStore }

func (full) SyncKeyValue() error { panic(errors.New("no space left on device")) }

func TestAWriteThatPanicsBreaksTheStoreAndIsNotAcknowledged(t *testing.T) {
	var told []error
	s, err := Open(t.TempDir(), Options{Broken: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	good := s.db
	defer good.Close()
	s.db = full{good}
	for range 2 {
		if err := s.Add([]Tx{{Hash: common.Hash{1}, Raw: []byte{1}}}); !errors.Is(err, ErrBroken) {
			t.Fatalf("got %v", err)
		}
	}
	if err := s.SetLocked(true, "a reason"); !errors.Is(err, ErrBroken) {
		t.Fatalf("got %v", err)
	}
	if len(told) != 1 || !errors.Is(told[0], ErrBroken) {
		t.Fatalf("told %v", told)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
