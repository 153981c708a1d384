package sealedpool_test

import (
	"crypto/ecdsa"
	"errors"
	"slices"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// admitting is a rig with a book, and more room.
func admitting(t testing.TB, change func(*admission.Config)) *rig {
	t.Helper()
	old := limits
	limits = committee.Limits{Lifetime: 500, SealedGas: 3_000_000}
	t.Cleanup(func() { limits = old })
	r := newRig(t, func(r *rig) {
		cfg := admission.Config{Gas: limits.SealedGas}
		if change != nil {
			change(&cfg)
		}
		r.cfg.Book = admission.NewBook(cfg)
	})
	return r
}

// many adds new submitters to a rig, and returns the first one's index.
func (r *rig) many(n int) (first int) {
	r.t.Helper()
	first = len(r.keys)
	for range n {
		key, err := crypto.GenerateKey()
		if err != nil {
			r.t.Fatal(err)
		}
		r.keys = append(r.keys, key)
	}
	return first
}

// block orders what the pool offers. What anybody but honest sealed shows to be garbage.
func (r *rig) block(honest *ecdsa.PrivateKey) (raws [][]byte) {
	r.t.Helper()
	good := crypto.PubkeyToAddress(honest.PublicKey)
	raws, _, _ = r.Next(r.next(), plenty, plenty)
	rec := r.decide(raws...)
	for _, one := range rec.GetSealed() {
		if common.BytesToAddress(one.GetSubmitter()) != good {
			one.TransactionHash = nil
		}
	}
	r.apply(rec)
	return raws
}

// wait gives the number of blocks until a transaction is ordered.
func (r *rig) wait(raw []byte, honest *ecdsa.PrivateKey) int {
	r.t.Helper()
	for blocks := 1; blocks < 1000; blocks++ {
		if slices.ContainsFunc(r.block(honest), func(one []byte) bool { return string(one) == string(raw) }) {
			return blocks
		}
	}
	r.t.Fatal("it is not ordered")
	return 0
}

// known lets a submitter have one transaction executed.
func (r *rig) known(by int) {
	r.t.Helper()
	first := r.sealed(by, 0)
	r.must(first)
	r.wait(first, r.keys[by])
}

func TestGarbageOfOneAccountDoesNotHoldAnHonestOneUp(t *testing.T) {
	r := admitting(t, nil)
	r.known(0)
	var all [][]byte
	for seq := range uint64(25) {
		all = append(all, r.sealed(1, seq))
	}
	r.must(all...)
	honest := r.sealed(0, 1)
	r.must(honest)
	if got := r.wait(honest, r.keys[0]); got != 1 {
		t.Errorf("it waited for %d blocks", got)
	}
	// Then at the latest, four pieces have shown what they are.
	r.block(r.keys[0])
	if errs := r.submit(r.sealed(1, 25)); !errors.Is(errs[0], sealedpool.ErrSpoilt) || !strings.Contains(errs[0].Error(), "4 of the 4 transactions") {
		t.Errorf("then it was answered with %v", errs[0])
	}
	if r.Count() != 0 || !strings.Contains(r.reason(all[24]), "garbage") {
		t.Errorf("%d wait, the last one ended because %q", r.Count(), r.reason(all[24]))
	}
	r.restart()
	if r.Count() != 0 {
		t.Errorf("after a restart %d wait", r.Count())
	}
}

func TestGarbageOfAThousandNewAccountsDoesNotHoldAnHonestOneUp(t *testing.T) {
	r := admitting(t, nil)
	r.known(0)
	var all [][]byte
	for by, last := r.many(1000), len(r.keys); by < last; by++ {
		all = append(all, r.sealed(by, 0))
	}
	r.must(all...)
	for seq := range uint64(8) {
		honest := r.sealed(0, 1+seq)
		r.must(honest)
		if got := r.wait(honest, r.keys[0]); got != 1 {
			t.Errorf("transaction %d waited for %d blocks", seq, got)
		}
	}
	fresh := r.many(1)
	before := r.Count()
	brief := r.sealed(fresh, 0)
	r.must(brief)
	if got, most := r.wait(brief, r.keys[fresh]), before/admission.MinFresh+2; got > most {
		t.Errorf("a new account waited for %d blocks, at most %d for %d that came before", got, most, before)
	}
}

func TestAContentHoldsLittleOfNewSubmitters(t *testing.T) {
	r := admitting(t, nil)
	first := r.many(100)
	var all [][]byte
	for by := first; by < first+100; by++ {
		all = append(all, r.sealed(by, 0))
	}
	r.must(all...)
	// Fewer after garbage.
	for number, want := range []int{16, 4, 4} {
		if got := r.block(r.keys[0]); len(got) != want {
			t.Errorf("block %d has %d", number+1, len(got))
		}
	}
	r.known(0)
	r.known(1)
	var known [][]byte
	for seq := range uint64(6) {
		known = append(known, r.sealed(0, 1+seq), r.sealed(1, 1+seq))
	}
	r.must(known...)
	raws, _, _ := r.Next(r.next(), plenty, plenty)
	if got := r.offered(known...); len(got) != 12 || len(raws) != 12 {
		t.Errorf("of known ones %d are offered, of all %d", len(got), len(raws))
	}
}

func TestOneNewSubmitterHasFewInAContentUntilSomeAreExecuted(t *testing.T) {
	r := admitting(t, nil)
	var all [][]byte
	for seq := range uint64(20) {
		all = append(all, r.sealed(0, seq))
	}
	r.must(all...)
	if got := r.offered(all...); !sameInts(got, 0, 1, 2, 3) {
		t.Errorf("offered %v", got)
	}
	r.apply(r.decide(all[:4]...))
	if got := r.offered(all...); len(got) != 16 {
		t.Errorf("then %v", got)
	}
}

func TestASpoilerIsOrderedWhenNothingElseWaits(t *testing.T) {
	r := admitting(t, nil)
	r.known(1)
	bad := []([]byte){r.sealed(0, 0), r.sealed(0, 1), r.sealed(0, 2)}
	r.must(bad...)
	rec := r.decide(bad[0])
	rec.Sealed[0].TransactionHash = nil
	r.apply(rec)
	if at, _ := r.Where(idOf(bad[1])); !strings.Contains(at.Reason, "garbage") {
		t.Errorf("it waits because %q", at.Reason)
	}
	if got := r.offered(bad...); !sameInts(got, 1) {
		t.Errorf("alone it is offered as %v", got)
	}
	gas := func(h *seal.Header) { h.Gas = limits.SealedGas }
	full := r.sealed(1, 1, gas)
	r.must(full)
	for range 8 {
		if got := r.offered(append(bad, full)...); !sameInts(got, 3) {
			t.Errorf("beside a good one that fills the content it is offered as %v", got)
		}
		r.head++
		if err := r.window.AddHeaders(r.head, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLargeOnesDoNotKeepSmallOnesOutAndAreNotKeptOutForEver(t *testing.T) {
	r := admitting(t, nil)
	gas := func(h *seal.Header) { h.Gas = limits.SealedGas }
	large := r.sealed(0, 0, gas)
	r.must(large)
	seqs := map[int]uint64{}
	for number := range 4 {
		var all [][]byte
		for by := 1; by < 4; by++ {
			all = append(all, r.sealed(by, seqs[by]))
		}
		r.submit(all...)
		got := r.offered(append([][]byte{large}, all...)...)
		if last := number == 3; last != (len(got) == 1 && got[0] == 0) || !last && len(got) != 3 {
			t.Errorf("content %d has %v", number+1, got)
		}
		if number < 3 {
			r.apply(r.decide(all...))
			for by := range 4 {
				seqs[by]++
			}
		}
	}
}

func TestAQuotaGrowsWithWhatWasExecuted(t *testing.T) {
	r := admitting(t, func(c *admission.Config) { c.Gas = 320_000 }) // three of 100,000
	var all [][]byte
	for seq := range uint64(4) {
		all = append(all, r.sealed(0, seq))
	}
	errs := r.submit(all...)
	if errs[2] != nil || !errors.Is(errs[3], sealedpool.ErrQuota) || !strings.Contains(errs[3].Error(), "te_getSubmitter") {
		t.Fatalf("got %v", errs)
	}
	if coded, ok := errs[3].(interface{ ErrorCode() int }); !ok || coded.ErrorCode() != -32005 {
		t.Errorf("the code of %v", errs[3])
	}
	if got := r.Submitter(r.address(0)); got.Transactions != 3 || got.WaitingGas != 300_000 || got.Gas != 320_000 || got.NextSeq != 3 || got.Class != admission.New {
		t.Errorf("it is shown as %+v", got)
	}
	r.apply(r.decide(all[:3]...))
	all = nil
	for seq := range uint64(4) {
		all = append(all, r.sealed(0, 3+seq))
	}
	if errs := r.submit(all...); !errors.Is(errs[3], sealedpool.ErrQuota) {
		t.Fatalf("got %v", errs)
	}
	r.apply(r.decide(all[:3]...))
	r.must(r.sealed(0, 6), r.sealed(0, 7), r.sealed(0, 8), r.sealed(0, 9))
	if got := r.Submitter(r.address(0)); got.Gas != 320_000/16*22 || got.Executed != 6 || got.Class != admission.Front {
		t.Errorf("then as %+v", got)
	}
}

func TestNewSubmittersLeaveRoomToKnownOnes(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.Book = admission.NewBook(admission.Config{})
		r.cfg.Limits = sealedpool.Limits{Transactions: 8}
	})
	r.known(0)
	first := r.many(5)
	var all [][]byte
	for by := first; by < first+5; by++ {
		all = append(all, r.sealed(by, 0))
	}
	if errs := r.submit(all...); errs[3] != nil || !errors.Is(errs[4], sealedpool.ErrFull) {
		t.Errorf("new ones: %v", errs)
	}
	r.must(r.sealed(0, 1))
}

// A relay seals for many wallets, so it has more of a content than a wallet that seals for itself, which is not kept out by it.
func TestARelayHasTheTurnsOfManyAndKeepsNobodyOut(t *testing.T) {
	var relay common.Address
	r := admitting(t, func(c *admission.Config) { c.Trusted = func(a common.Address) bool { return a == relay } })
	relay = r.address(0)
	r.known(1)
	r.known(2)
	var all [][]byte
	for seq := range uint64(25) {
		all = append(all, r.sealed(1, 1+seq), r.sealed(2, 1+seq))
	}
	for seq := range uint64(40) {
		all = append(all, r.sealed(0, seq))
	}
	r.must(all...)
	if relayed, own := r.offered(all[50:]...), r.offered(all[:50]...); len(relayed) != 28 || len(own) != 2 {
		t.Errorf("%d of the relay are offered, and %d of the wallets", len(relayed), len(own))
	}
}

// spoil lets new submitters have garbage ordered, so that few of them are tried at once.
func (r *rig) spoil() {
	r.t.Helper()
	var all [][]byte
	for by, last := r.many(8), len(r.keys); by < last; by++ {
		all = append(all, r.sealed(by, 0))
	}
	r.must(all...)
	r.block(r.keys[0])
}

func TestWhileThereIsGarbageNewOnesAreNotBesideKnownOnesAndTakeFewBytes(t *testing.T) {
	r := admitting(t, nil)
	r.known(0)
	r.spoil()
	honest, other := r.sealed(0, 1), r.sealed(1, 0)
	large := [][]byte{r.c.SealedBy(r.keys[2], 0, make([]byte, 10<<10)), r.c.SealedBy(r.keys[3], 0, make([]byte, 10<<10))}
	r.must(honest, other, large[0], large[1])
	for range 4 {
		number := r.head + 1
		want := 1
		if number%4 == 0 {
			want = 3 // the small one and a large one too
		}
		if raws, _, _ := r.Next(r.next(), plenty, plenty); len(raws) != want {
			t.Errorf("content %d has %d, want %d", number, len(raws), want)
		}
		r.apply(r.decide())
	}
}

func TestWhatWaitsOfASubmitterThatIsOutIsNotOrderedAndEndsAtAStart(t *testing.T) {
	r := admitting(t, nil)
	waits := r.sealed(0, 0)
	r.must(waits)
	var spoilt []admission.Fate
	for range 4 {
		spoilt = append(spoilt, admission.Fate{Submitter: r.address(0), Outcome: admission.Garbage})
	}
	r.cfg.Book.Add(1, 0, spoilt)
	if raws, _, _ := r.Next(r.next(), plenty, plenty); len(raws) != 0 {
		t.Error("it is offered")
	}
	r.restart()
	if r.Count() != 0 || !strings.Contains(r.reason(waits), "garbage") {
		t.Errorf("%d wait, it ended because %q", r.Count(), r.reason(waits))
	}
}

func TestAQuotaIsOfBytesAndOfWhatIsFreeToo(t *testing.T) {
	for name, x := range map[string]struct {
		book   admission.Config
		limits sealedpool.Limits
		want   int
	}{
		"bytes": {admission.Config{Bytes: 1500}, sealedpool.Limits{}, 2},
		"free":  {admission.Config{}, sealedpool.Limits{Transactions: 80}, 4}, // 4 of 40, of which an eighth of the other 36
	} {
		r := newRig(t, func(r *rig) { r.cfg.Book, r.cfg.Limits = admission.NewBook(x.book), x.limits })
		for seq := range uint64(6) {
			err := r.submit(r.sealed(0, seq))[0]
			if taken := int(seq) < x.want; taken != (err == nil) || !taken && !errors.Is(err, sealedpool.ErrQuota) {
				t.Errorf("%s: transaction %d is answered with %v", name, seq, err)
			}
		}
	}
}

func BenchmarkNextBesideManyNewSubmitters(b *testing.B) {
	r := admitting(b, nil)
	var all [][]byte
	for by, last := r.many(4000), len(r.keys); by < last; by++ {
		all = append(all, r.sealed(by, 0))
	}
	r.must(all...)
	for b.Loop() {
		r.Next(r.next(), plenty, plenty)
	}
}
