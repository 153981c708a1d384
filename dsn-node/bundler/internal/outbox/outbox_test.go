package outbox

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// key is that of all boxes here.
var key = func() *ecdsa.PrivateKey {
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	return key
}()

func open(t *testing.T, dir string, most int) *Box {
	t.Helper()
	b, err := Open(dir, most, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func add(t *testing.T, b *Box, hash byte, nonce uint64) Item {
	t.Helper()
	return reserved(t, b, Item{Hash: common.Hash{hash}, From: common.Address{1}, Nonce: nonce, Since: 7}, []byte{hash, hash})
}

// reserved reserves an item and makes it durable.
func reserved(t *testing.T, b *Box, item Item, sealed []byte) Item {
	t.Helper()
	item, err := b.Reserve(item, Use{}, Answer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(item, Content{Raw: []byte("plain transaction"), Sealed: sealed}); err != nil {
		t.Fatal(err)
	}
	return item
}

func TestItemsSurviveAndRemovedOnesDoNotComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "box")
	b := open(t, dir, 10)
	first, second := add(t, b, 1, 5), add(t, b, 2, 6)
	if err := b.Remove(first.Hash); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	b = open(t, dir, 10)
	defer b.Close() // a test's
	due := b.Due(time.Now(), 10)
	if len(due) != 1 || due[0] != second || b.Accepted(first.Hash) || !b.Accepted(second.Hash) {
		t.Fatalf("due %+v", due)
	}
	if c, err := b.Content(second.Hash); err != nil || !bytes.Equal(c.Sealed, []byte{2, 2}) || string(c.Raw) != "plain transaction" {
		t.Fatalf("content %+v, %v", c, err)
	}
	if c, err := b.Content(first.Hash); err != nil || c != nil {
		t.Fatalf("of one removed: %+v, %v", c, err)
	}
	if third := add(t, b, 3, 9); third.Number <= second.Number || third.Seq != second.Seq+1 {
		t.Fatalf("third %+v after %+v", third, second)
	}
	if n := b.NextNonce(common.Address{1}, 6); n != 7 {
		t.Fatalf("next nonce %d", n)
	}
}

func TestWhatMayNotHaveReachedTheRollupIsKnownAfterARestart(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	first, second := add(t, b, 1, 5), add(t, b, 2, 6)
	b.HandedIn(first.Hash)
	if unsure := b.Unsure(first.From); len(unsure) != 1 || unsure[0] != second {
		t.Fatalf("before the restart: %v", unsure)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, 10)
	if unsure := b.Unsure(first.From); len(unsure) != 2 || unsure[0] != first || unsure[1] != second {
		t.Fatalf("after the restart: %v", unsure)
	}
	if unsure := b.Unsure(common.Address{0xff}); len(unsure) != 0 {
		t.Fatalf("of another account: %v", unsure)
	}
	b.HandedIn(first.Hash)
	if unsure := b.Unsure(first.From); len(unsure) != 1 || unsure[0] != second {
		t.Fatalf("after one was handed in: %v", unsure)
	}
}

func TestAWriteThatPanicsEndsTheBoxAndKeepsNothing(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.db.Close()                                                              // a test's
	b.write = func(*pebble.Batch) error { panic("fatal: no space left on device") } // as the store does
	item, err := b.Reserve(Item{Hash: common.Hash{1}}, Use{}, Answer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(item, Content{}); !errors.Is(err, ErrStorage) {
		t.Fatalf("got %v", err)
	}
	if b.Len() != 0 {
		t.Fatal("it was kept")
	}
	if err := b.Run(t.Context()); !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("run: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestItemsAreBoundedAndDistinct(t *testing.T) {
	b := open(t, t.TempDir(), 2)
	defer b.Close() // a test's
	first := add(t, b, 1, 5)
	if _, err := b.Reserve(first, Use{}, Answer{}); !errors.Is(err, ErrKnown) {
		t.Fatalf("the same again: %v", err)
	}
	add(t, b, 2, 6)
	if _, err := b.Reserve(Item{Hash: common.Hash{3}}, Use{}, Answer{}); !errors.Is(err, ErrFull) || b.Len() != 2 {
		t.Fatalf("%v, %d items", err, b.Len())
	}
}

func TestItemIsDueOnceAcceptedAndLaterAfterEachLook(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.Close() // a test's
	item, now := add(t, b, 1, 5), time.Now()
	if due := b.Due(now.Add(time.Hour), 10); len(due) != 0 {
		t.Fatalf("due before it was accepted: %v", due)
	}
	b.Accept(item.Hash, now.Add(time.Second))
	if len(b.Due(now, 10)) != 0 || len(b.Due(now.Add(time.Second), 10)) != 1 {
		t.Fatal("not due at its time")
	}
	for visits := range 3 {
		b.Postpone(item.Hash, now, func(n int) time.Duration {
			if n != visits {
				t.Errorf("%d looks, not %d", n, visits)
			}
			return time.Minute
		})
	}
	if len(b.Due(now.Add(time.Minute-1), 10)) != 0 || len(b.Due(now.Add(time.Minute), 10)) != 1 {
		t.Fatal("not due a minute later")
	}
}

func TestConcurrentUseLosesNothing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 1000)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			item, err := b.Reserve(Item{Hash: common.Hash{byte(i), 1}, From: common.Address{byte(i % 4)}}, Use{}, Answer{})
			if err != nil {
				t.Error(err)
			}
			if err := b.Put(item, Content{Sealed: []byte{byte(i)}}); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := b.Remove(item.Hash); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, 1000)
	defer b.Close() // a test's
	if n := b.Len(); n != 32 {
		t.Fatalf("%d items", n)
	}
	for _, item := range b.Due(time.Now(), 1000) {
		if next := add(t, b, 200, 0); next.Number <= item.Number || next.Seq <= item.Seq {
			t.Fatalf("%+v comes after %+v", next, item)
		}
		if err := b.Remove(common.Hash{200}); err != nil {
			t.Fatal(err)
		}
	}
}
