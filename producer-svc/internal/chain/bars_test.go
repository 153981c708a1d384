package chain_test

import (
	"fmt"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
)

// ending is a block in which a transaction of w is opened whose nonce is not due, sealed by submitter.
func ending(t *testing.T, c *chain.Chain, w *wallet, submitter common.Address, lifetime uint64) (chain.Block, []byte) {
	t.Helper()
	w.nonce++
	raw := w.transfer(t, nobody, 1)
	b := next(c)
	b.BarredUntil = b.Number + lifetime
	b.Sealed = []chain.Sealed{{Raw: raw, Submitter: submitter, Gas: 100_000, Fee: 1}}
	return b, raw
}

func TestWhatItsSenderSealedAndHasEndedIsBarred(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	w := wallets(t)
	b, raw := ending(t, c, w[0], w[0].address, 3)
	ended := apply(t, c, b).Skipped
	equal(t, "ended", len(ended), 1)
	equal(t, "barred until", ended[0].BarredUntil, 4)
	w[0].nonce = 0
	due := w[0].transfer(t, nobody, 2) // now its nonce is due

	decoded, errs := c.Decode([][]byte{raw})
	must(t, errs[0])
	wantError(t, c.AddTransactions(decoded)[0], chain.ErrBarred)

	sealedAgain := next(c, due)
	sealedAgain.Sealed = []chain.Sealed{b.Sealed[0]}
	result := apply(t, c, sealedAgain) // number 2
	equal(t, "sealed again", result.Skipped[0].Reason, chain.ErrBarred.Error())
	equal(t, "barred anew", result.Skipped[0].BarredUntil, 0)

	must(t, c.Close())
	c = open(t, dir)
	delayed := next(c, raw)
	delayed.Delayed = [][]byte{raw}
	result = apply(t, c, delayed) // number 3
	equal(t, "delayed and plain", len(result.Skipped), 2)
	for _, one := range result.Skipped {
		equal(t, "reason", one.Reason, chain.ErrBarred.Error())
	}
	equal(t, "in the last content", len(apply(t, c, next(c, raw)).Skipped), 1)
	equalList(t, "afterwards", apply(t, c, next(c, raw)).Included, hashes(raw))
}

// Somebody else could seal a public transaction where it fails, to keep it from being executed.
func TestWhatAnotherSealedIsNotBarred(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b, raw := ending(t, c, w[0], w[1].address, 3)
	equal(t, "barred", apply(t, c, b).Skipped[0].BarredUntil, 0)
	w[0].nonce = 0
	due := w[0].transfer(t, nobody, 2)
	pooled(t, c, due, raw)
	equal(t, "offered", len(content(t, c, chain.Limits{Bytes: plenty})), 2)
	equalList(t, "included", apply(t, c, next(c, due, raw)).Included, hashes(due, raw))
}

// A relay seals nothing that it has seen in public.
func TestWhatARelaySealedAndHasEndedIsBarred(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b, raw := ending(t, c, w[0], w[1].address, 3)
	b.Sealed[0].Relay = true
	equal(t, "barred until", apply(t, c, b).Skipped[0].BarredUntil, 4)
	w[0].nonce = 0
	due := w[0].transfer(t, nobody, 2)
	equalList(t, "included", apply(t, c, next(c, due, raw)).Included, hashes(due))
}

// The content in which it ended was ordered before anybody could read it.
func TestABarHoldsForLaterContentsOnly(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b, raw := ending(t, c, w[0], w[0].address, 3)
	w[0].nonce = 0
	b.Transactions = [][]byte{w[0].transfer(t, nobody, 2), raw}
	equalList(t, "included", apply(t, c, b).Included, hashes(b.Transactions...))
}

func TestWhatIsBarredIsNotProposed(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b, raw := ending(t, c, w[0], w[0].address, 100)
	w[0].nonce = 0
	due := w[0].transfer(t, nobody, 2)
	pooled(t, c, due, raw) // before it is opened
	apply(t, c, b)
	equal(t, "offered", len(content(t, c, chain.Limits{Bytes: plenty})), 1)
}

func TestBarsAreForgotten(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b, _ := ending(t, c, w[0], w[0].address, 1)
	apply(t, c, b)
	stored := func() int { return chain.BarsStored(t, c) }
	equal(t, "stored", stored(), 2)
	for number := uint64(2); number <= 1027; number++ {
		b := next(c)
		b.BarredUntil = number + 1
		apply(t, c, b)
	}
	equal(t, "stored at the end", stored(), 0)
}

// TestABarThatHasEndedIsKeptBesideALaterOne: a crash may take back blocks from before the later one, and when they are replayed
// the first one has to hold again.
func TestABarThatHasEndedIsKeptBesideALaterOne(t *testing.T) {
	c := open(t, t.TempDir())
	b, raw := ending(t, c, wallets(t)[0], wallets(t)[0].address, 2)
	apply(t, c, b)
	for number := uint64(2); number <= 5; number++ {
		b := next(c)
		if b.BarredUntil = number + 2; number == 5 {
			b.Sealed = []chain.Sealed{{Raw: raw, Submitter: wallets(t)[0].address, Gas: 100_000, Fee: 1}}
		}
		apply(t, c, b)
	}
	for number, want := range map[uint64]bool{1: false, 2: true, 3: true, 4: false, 5: false, 6: true, 7: true, 8: false} {
		equal(t, fmt.Sprint("barred from content ", number), chain.BarredAt(t, c, chain.HashTransaction(raw), number), want)
	}
}
