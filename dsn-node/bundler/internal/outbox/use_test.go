package outbox

import (
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestWhatItemsUseIsKnownAfterARestartAndForgottenWithThem(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 10)
	signer := common.Address{2}
	use := Use{Nonces: []AccountNonce{{signer, 7}, {signer, 8}}, Cost: big.NewInt(50)}
	item, err := b.Reserve(Item{Hash: common.Hash{1}, From: common.Address{1}, Nonce: 5}, use, Answer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(item, Content{Sealed: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	add(t, b, 2, 6) // of the same account, for nothing
	for range 2 {
		if next := b.NextNonce(signer, 7); next != 9 {
			t.Errorf("next nonce of the signer %d", next)
		}
		for nonce, want := range map[uint64]int64{5: 50, 6: 0} {
			if got := b.Spent(common.Address{1}, nonce, math.MaxUint64); got.Cmp(big.NewInt(want)) != 0 {
				t.Errorf("spent from nonce %d on: %s, not %d", nonce, got, want)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, dir, 10)
	}
	defer b.Close() // a test's
	if err := b.Remove(item.Hash); err != nil {
		t.Fatal(err)
	}
	if next := b.NextNonce(signer, 7); next != 7 {
		t.Errorf("next nonce of the signer after it %d", next)
	}
	if got := b.Spent(common.Address{1}, 0, math.MaxUint64); got.Sign() != 0 {
		t.Errorf("spent after it: %s", got)
	}
}
