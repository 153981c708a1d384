package outbox

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
)

func queue(t *testing.T, b *Box, hash byte, nonce uint64) Item {
	t.Helper()
	item, err := b.Queue(Item{Hash: common.Hash{hash}, From: common.Address{1}, Nonce: nonce}, Use{Cost: big.NewInt(int64(hash))}, []byte{hash})
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func again(t *testing.T, b *Box, dir string) *Box {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, b.most)
}

func TestQueuedItemsSurviveAndGetASeqWhenTheyArePromoted(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	queue(t, b, 3, 7)
	second := queue(t, b, 2, 6)
	b = again(t, b, dir)
	if first, ok := b.FirstQueued(second.From); !ok || first != second || b.Sealed() != 0 || !b.Accepted(second.Hash) || len(b.Unsure(second.From)) != 0 {
		t.Fatalf("first %+v, %d sealed", first, b.Sealed())
	}
	now := time.Now()
	if due := b.QueuedDue(now, 10); len(due) != 1 || due[0] != second || len(b.Due(now, 10)) != 0 {
		t.Fatalf("due %v", due)
	}
	if next := b.NextNonce(second.From, 6); next != 6 {
		t.Errorf("a queued one takes its nonce: next %d", next)
	}
	if next := b.Nonces(second.From).Next(6); next != 8 {
		t.Errorf("next pending nonce %d", next)
	}
	item, ok := b.Promote(second.Hash, Use{Cost: big.NewInt(2)}, Answer{Known: true, Leaders: 40})
	if !ok || item.Seq != 40 || b.NextNonce(second.From, 6) != 7 || len(b.Due(now, 10)) != 0 {
		t.Fatalf("promoted %+v, %d due", item, len(b.Due(now, 10)))
	}
	if _, there := b.At(40); there {
		t.Error("it is handed in again while it is sealed")
	}
	if err := b.Put(item, Content{Raw: []byte{2}, Sealed: []byte{9}}); err != nil {
		t.Fatal(err)
	}
	b.Accept(item.Hash, now)
	if due := b.Due(now, 10); len(due) != 1 || due[0] != item {
		t.Errorf("due %v", due)
	}
	b = again(t, b, dir)
	defer b.Close() // a test's
	if unsure := b.Unsure(second.From); len(unsure) != 1 || unsure[0] != item || b.NextSeq() != 41 || b.QueuedCount() != 1 {
		t.Errorf("after a restart %v, next seq %d, %d queued", unsure, b.NextSeq(), b.QueuedCount())
	}
}

func TestAPromotedItemThatIsNotSealedIsQueuedAgain(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.Close() // a test's
	item, signer := queue(t, b, 2, 6), common.Address{9}
	if _, ok := b.Promote(item.Hash, Use{Nonces: []AccountNonce{{signer, 5}}}, Answer{}); !ok || b.NextNonce(signer, 5) != 6 {
		t.Fatal("not promoted")
	}
	b.Demote(item.Hash)
	if first, ok := b.FirstQueued(item.From); !ok || first != item || b.NextSeq() != 0 || b.Sealed() != 0 || b.NextNonce(signer, 5) != 5 {
		t.Errorf("first %+v, next seq %d", first, b.NextSeq())
	}
}

func TestAReplacedItemEndsWithTheReason(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	old := queue(t, b, 2, 6)
	item := queue(t, b, 3, 6)
	for range 2 {
		if first, ok := b.FirstQueued(old.From); !ok || first != item || b.Len() != 1 {
			t.Errorf("first %+v of %d", first, b.Len())
		}
		if how, ended := b.Ended(old.Hash); !ended || how.Result != Replaced || !strings.Contains(how.Reason, item.Hash.Hex()) {
			t.Errorf("ended %+v", how)
		}
		if spent := b.Spent(old.From, 0, math.MaxUint64); spent.Int64() != 3 {
			t.Errorf("it is paid for: %s", spent)
		}
		b = again(t, b, dir)
	}
	defer b.Close() // a test's
	if spent := b.Spent(old.From, 0, 6); spent.Sign() != 0 {
		t.Errorf("without it %s are spent", spent)
	}
}

func TestQueuedItemsAreBounded(t *testing.T) {
	b := open(t, t.TempDir(), 200)
	defer b.Close() // a test's
	for n := range uint64(maxQueued) {
		queue(t, b, byte(n+1), n)
	}
	if _, err := b.Queue(Item{Hash: common.Hash{0xff}, From: common.Address{1}, Nonce: 100}, Use{}, nil); !errors.Is(err, ErrAccountFull) {
		t.Errorf("one too many of an account: %v", err)
	}
	queue(t, b, 0xfe, 5) // in the place of another
	for n := range byte(100 - maxQueued) {
		if _, err := b.Queue(Item{Hash: common.Hash{n, 1}, From: common.Address{2, n}}, Use{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Queue(Item{Hash: common.Hash{0xff}, From: common.Address{3}}, Use{}, nil); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	add(t, b, 0xfd, 1000) // what can be sealed has its half
}

func TestEndingsSurviveAndAreBounded(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	first := queue(t, b, 1, 0)
	if err := b.End(first.Hash, Ending{Expired, "too old"}); err != nil {
		t.Fatal(err)
	}
	b = again(t, b, dir)
	if how, ended := b.Ended(first.Hash); !ended || how != (Ending{Expired, "too old"}) || b.Len() != 0 {
		t.Fatalf("ended %+v, %d wait", how, b.Len())
	}
	second := queue(t, b, 1, 0) // sent again
	if _, ended := b.Ended(first.Hash); ended || second.Number <= first.Number {
		t.Errorf("it waits, and has ended; number %d after %d", second.Number, first.Number)
	}
	if err := b.End(first.Hash, Ending{Dropped, "for another reason"}); err != nil {
		t.Fatal(err)
	}
	b = again(t, b, dir)
	defer b.Close() // a test's
	if how, _ := b.Ended(first.Hash); how.Result != Dropped || len(b.ended.order) != 1 {
		t.Errorf("ended %+v, remembered %d times", how, len(b.ended.order))
	}
	for n := range uint64(maxEnded) {
		b.ended.add(endedKey{common.BigToHash(big.NewInt(int64(n + 1))), n + 10}, Ending{})
	}
	if _, ended := b.Ended(first.Hash); ended || len(b.ended.byHash) != maxEnded {
		t.Errorf("%d are remembered", len(b.ended.byHash))
	}
}

// TestAWriteThatFailsQueuesNothing: what was there before is there after.
func TestAWriteThatFailsQueuesNothing(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	defer b.db.Close() // a test's
	old := queue(t, b, 2, 6)
	b.write = func(*pebble.Batch) error { return errors.New("no space left") }
	if _, err := b.Queue(Item{Hash: common.Hash{3}, From: old.From, Nonce: 6}, Use{}, []byte{3}); !errors.Is(err, ErrStorage) {
		t.Fatalf("got %v", err)
	}
	if held := slices.Collect(maps.Keys(b.items)); fmt.Sprint(held) != fmt.Sprint([]common.Hash{old.Hash}) {
		t.Errorf("the box holds %v", held)
	}
}
