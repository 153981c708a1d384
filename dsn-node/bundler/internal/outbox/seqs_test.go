package outbox

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func seqsOf(b *Box) map[byte]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[byte]uint64{}
	for _, e := range b.items {
		out[e.Hash[0]] = e.Seq
	}
	return out
}

func wantSeqs(t *testing.T, b *Box, next uint64, want map[byte]uint64) {
	t.Helper()
	got := seqsOf(b)
	for hash, seq := range want {
		if got[hash] != seq {
			t.Errorf("item %d has seq %d, not %d", hash, got[hash], seq)
		}
	}
	if len(got) != len(want) || b.NextSeq() != next {
		t.Errorf("seqs %v and then %d, want %v and then %d", got, b.NextSeq(), want, next)
	}
}

func TestSeqsAreConsecutiveAndSurvive(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	add(t, b, 1, 0)
	add(t, b, 2, 1)
	wantSeqs(t, b, 2, map[byte]uint64{1: 0, 2: 1})
	for _, hash := range []byte{1, 2} {
		if err := b.Remove(common.Hash{hash}); err != nil {
			t.Fatal(err)
		}
	}
	b.Ordered(77)
	if err := b.store(func(*pebble.Batch) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, 10)
	defer b.Close() // a test's
	if wantSeqs(t, b, 2, nil); b.LastOrdered() != 77 {
		t.Errorf("ordered last at %d", b.LastOrdered())
	}
}

func TestASeqWhoseItemNeverBecameDurableIsGivenAgain(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	add(t, b, 1, 0)
	if _, err := b.Reserve(Item{Hash: common.Hash{2}}, Use{}, Answer{}); err != nil {
		t.Fatal(err)
	}
	late := add(t, b, 3, 2) // takes the state to the disk
	if late.Seq != 2 {
		t.Fatalf("seq %d", late.Seq)
	}
	if err := b.Remove(late.Hash); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, 10)
	defer b.Close() // a test's
	wantSeqs(t, b, 1, map[byte]uint64{1: 0})
}

func TestTheLeadersAnswerCountsWhenNothingWaits(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.Close() // a test's
	reserve := func(hash byte, a Answer) uint64 {
		item, err := b.Reserve(Item{Hash: common.Hash{hash}}, Use{}, a)
		if err != nil {
			t.Fatal(err)
		}
		return item.Seq
	}
	if seq := reserve(1, Answer{true, 0, 57}); seq != 57 {
		t.Errorf("the first has %d", seq)
	}
	if seq := reserve(2, Answer{true, 58, 60}); seq != 58 {
		t.Errorf("one waits, and the next one has %d", seq)
	}
	for _, hash := range []byte{1, 2} {
		if err := b.Remove(common.Hash{hash}); err != nil {
			t.Fatal(err)
		}
	}
	if seq := reserve(3, Answer{true, 58, 58}); seq != 59 {
		t.Errorf("an old answer counted: %d", seq)
	}
	if err := b.Remove(common.Hash{3}); err != nil {
		t.Fatal(err)
	}
	if seq := reserve(4, Answer{true, 60, 0}); seq != 0 {
		t.Errorf("the sequence began again, and the next one has %d", seq)
	}
}

func TestTheLastSeqIsGivenBackAndNoOther(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.Close() // a test's
	for hash := range byte(3) {
		add(t, b, hash+1, uint64(hash))
	}
	if err := b.GiveBack(common.Hash{2}); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, b, 3, map[byte]uint64{1: 0, 3: 2})
	later, missing := b.Missing(1)
	if !missing || later.Hash != (common.Hash{3}) {
		t.Fatalf("seq 1: %v, %+v", missing, later)
	}
	if _, ok := b.Move(later.Hash, 0); ok {
		t.Fatal("moved to a seq that is taken")
	}
	if moved, ok := b.Move(later.Hash, 1); !ok || moved.Seq != 1 {
		t.Fatalf("%v, %+v", ok, moved)
	}
	wantSeqs(t, b, 2, map[byte]uint64{1: 0, 3: 1})
	if err := b.GiveBack(common.Hash{3}); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, b, 1, map[byte]uint64{1: 0})
	if renewed, ok := b.Renew(common.Hash{1}, 9); !ok || renewed.Seq != 9 {
		t.Fatalf("%v, %+v", ok, renewed)
	}
	wantSeqs(t, b, 10, map[byte]uint64{1: 9})
	if _, missing := b.Missing(10); missing {
		t.Error("something is missing after the last")
	}
}

func TestAThiefOfTheDiskReadsNothingAndAnotherKeyOpensNothing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	item := Item{Hash: common.Hash{1, 2, 3, 4, 5, 6, 7, 8}, From: common.Address{9, 8, 7, 6, 5, 4, 3, 2, 1}}
	reserved(t, b, item, bytes.Repeat([]byte{0x5e}, 40))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for name, secret := range map[string][]byte{"transaction": []byte("plain transaction"), "hash": item.Hash[:8], "sender": item.From[:9]} {
			if bytes.Contains(content, secret) {
				t.Errorf("the %s is in %s", name, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, 10, other); !errors.Is(err, ErrOtherKey) {
		t.Errorf("with another key: %v", err)
	}
}

func TestAnOutboxOfVersion01IsRefused(t *testing.T) {
	dir := t.TempDir()
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte{'n'}, make([]byte, 8), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, 10, key); !errors.Is(err, ErrFormat1) {
		t.Fatal(err)
	}
}
