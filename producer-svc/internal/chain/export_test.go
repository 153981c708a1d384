package chain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// BarsStored counts what the database holds of bars: two entries for each.
func BarsStored(t *testing.T, c *Chain) (n int) {
	t.Helper()
	for _, prefix := range []string{barPrefix, barOrderPrefix} {
		it := c.eth.ChainDb().NewIterator([]byte(prefix), nil)
		for it.Next() {
			n++
		}
		it.Release()
	}
	return n
}

// BarredAt says whether a transaction is barred from the content of a number.
func BarredAt(t *testing.T, c *Chain, hash common.Hash, number uint64) bool {
	t.Helper()
	barred, err := c.bars.holds(hash, number)
	if err != nil {
		t.Fatal(err)
	}
	return barred
}

// MakeOld turns the head's record into one of v0.1.0.
func MakeOld(t *testing.T, c *Chain) {
	t.Helper()
	head, _, _ := c.Head()
	db := c.eth.ChainDb()
	if err := db.Delete(recordKey(head)); err != nil {
		t.Fatal(err)
	}
	if err := db.Put(numberKey(oldRecordPrefix, head), []byte{0xc0}); err != nil {
		t.Fatal(err)
	}
}
