package sealedpool_test

import (
	"crypto/ecdsa"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// limits are small, so that a test reaches them.
var limits = committee.Limits{Lifetime: 20, SealedGas: 1_000_000}

// rig is a pool over a real store, and a chain that orders what the test says.
type rig struct {
	*sealedpool.Pool
	t       testing.TB
	c       *committeetest.Committee
	store   *txstore.Store
	window  *rules.Window
	head    uint64
	baseFee uint64
	ordered map[common.Hash]uint64
	cfg     sealedpool.Config
	keys    []*ecdsa.PrivateKey
	fate    admission.Outcome // of what is opened
}

func newRig(t testing.TB, change func(*rig)) *rig {
	t.Helper()
	r := &rig{
		t: t, c: committeetest.NewWith(t, 4, 3, 1, limits), window: rules.NewWindow(1, limits.Lifetime), ordered: map[common.Hash]uint64{},
		fate: admission.Executed,
	}
	for range 4 {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		r.keys = append(r.keys, key)
	}
	var err error
	if r.store, err = txstore.Open(t.TempDir(), txstore.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	r.cfg = sealedpool.Config{
		Store: r.store, Checker: rules.NewChecker(r.c.Committee), Chain: limits, Window: r.window,
		Head: func() uint64 { return r.head }, BaseFee: func() uint64 { return r.baseFee },
		Ordered: func(id common.Hash) (uint64, bool, error) {
			n, ok := r.ordered[id]
			return n, ok, nil
		},
	}
	if change != nil {
		change(r)
	}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.t.Helper()
	r.Pool = sealedpool.New(r.cfg)
	if err := r.Recover(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) sealed(by int, seq uint64, change ...func(*seal.Header)) []byte {
	change = append([]func(*seal.Header){func(h *seal.Header) { h.Expiry = r.head + limits.Lifetime }}, change...)
	return r.c.SealedBy(r.keys[by], seq, []byte("transaction"), change...)
}

func expiring(at uint64) func(*seal.Header) { return func(h *seal.Header) { h.Expiry = at } }

func (r *rig) address(of int) common.Address { return crypto.PubkeyToAddress(r.keys[of].PublicKey) }

func (r *rig) submit(raws ...[]byte) []error {
	_, errs := r.Submit(r.t.Context(), raws)
	return errs
}

func (r *rig) must(raws ...[]byte) {
	r.t.Helper()
	for _, err := range r.submit(raws...) {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

const plenty = 500_000

// next is the content after the head, with the base fee of the test.
func (r *rig) next() *preblockv1.Content {
	return &preblockv1.Content{Number: r.head + 1, BaseFee: r.baseFee}
}

// offered is what a proposal would hold, as places in of. It must keep the rules.
func (r *rig) offered(of ...[]byte) (places []int) {
	r.t.Helper()
	raws, _, _ := r.Next(r.next(), plenty, plenty)
	to := r.next()
	to.Transactions = raws
	if _, err := r.cfg.Checker.Check(to, r.window); err != nil {
		r.t.Fatal(err)
	}
	for _, raw := range raws {
		for i := range of {
			if string(of[i]) == string(raw) {
				places = append(places, i)
			}
		}
	}
	return places
}

// record is that of the next block, with these sealed transactions opened.
func (r *rig) record(raws ...[]byte) *blueprintv1.LogRecord {
	rec := &blueprintv1.LogRecord{Number: r.window.Last() + 1}
	for i, raw := range raws {
		s := r.c.Checked(raw).Sealed()
		id := s.ID()
		rec.Sealed = append(rec.Sealed, &blueprintv1.SealedRecord{
			Id: id[:], Index: uint32(i), Submitter: s.Submitter.Bytes(), Seq: s.Seq, TransactionHash: crypto.Keccak256([]byte("transaction")),
		})
	}
	return rec
}

// decide appends the next block; apply applies it.
func (r *rig) decide(raws ...[]byte) *blueprintv1.LogRecord {
	r.t.Helper()
	rec := r.record(raws...)
	if err := r.window.Add(&preblockv1.Content{Number: rec.GetNumber(), Transactions: raws}); err != nil {
		r.t.Fatal(err)
	}
	r.Decided(rec)
	return rec
}

func (r *rig) apply(rec *blueprintv1.LogRecord) {
	r.t.Helper()
	for _, one := range rec.GetSealed() {
		r.ordered[common.Hash(one.GetId())] = rec.GetNumber()
	}
	r.head = rec.GetNumber()
	if err := r.Applied(rec, r.fates(rec)); err != nil {
		r.t.Fatal(err)
	}
}

// fates is what became of the transactions of a record.
func (r *rig) fates(rec *blueprintv1.LogRecord) (all []admission.Fate) {
	for _, one := range rec.GetSealed() {
		fate := admission.Fate{Submitter: common.BytesToAddress(one.GetSubmitter()), Outcome: r.fate}
		if len(one.GetTransactionHash()) == 0 {
			fate.Outcome = admission.Garbage
		}
		all = append(all, fate)
	}
	return all
}

func sameInts(a []int, b ...int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func idOf(raw []byte) common.Hash { return txstore.HashOf(raw) }

func (r *rig) reason(raw []byte) string {
	r.t.Helper()
	one, known, err := r.store.Ending(idOf(raw))
	if err != nil || known && one.Kind != txstore.Unordered {
		r.t.Fatalf("ended as %+v, %v", one, err)
	}
	return one.Reason
}

func TestSealedTransactionsStayInOrderOfArrivalUntilTheirBlockIsAppliedAndOverRestarts(t *testing.T) {
	r := newRig(t, nil)
	a, b, c := r.sealed(0, 0), r.sealed(1, 0), r.sealed(2, 0)
	r.must(a, b)
	r.must(c)
	for range 2 {
		if got := r.offered(a, b, c); !sameInts(got, 0, 1, 2) {
			t.Fatalf("offered %v", got)
		}
	}
	if at, ok := r.Where(idOf(b)); !ok || at != (sealedpool.State{Name: sealedpool.Sealed}) {
		t.Errorf("at first %+v", at)
	}
	rec := r.decide(b)
	want := sealedpool.State{Name: sealedpool.Opened, Number: 1, Transaction: crypto.Keccak256Hash([]byte("transaction"))}
	if at, _ := r.Where(idOf(b)); at.BaseFee == nil || at.Name != want.Name || at.Number != want.Number || at.Transaction != want.Transaction {
		t.Errorf("when its block is decided %+v", at)
	}
	r.restart() // it was decided, and not applied
	r.apply(rec)
	if _, ok := r.Where(idOf(b)); ok {
		t.Error("it is still there after its block")
	}
	r.restart()
	if got := r.offered(a, b, c); !sameInts(got, 0, 2) || r.Count() != 2 {
		t.Fatalf("after its block %v", got)
	}
	r.decide(a)
	r.ordered[idOf(a)], r.head = 2, 2 // applied, and the process ended before the pool was told
	r.restart()
	if got := r.offered(a, b, c); !sameInts(got, 2) || r.reason(a) != "" {
		t.Fatalf("after a crash %v; it ended because %q", got, r.reason(a))
	}
}

func TestAnUnopenableOneIsOrderedUntilItsBlockIsApplied(t *testing.T) {
	r := newRig(t, nil)
	a := r.sealed(0, 0)
	r.must(a)
	rec := r.record(a)
	rec.Sealed[0].TransactionHash = nil
	r.Decided(rec)
	if at, _ := r.Where(idOf(a)); at.Name != sealedpool.Ordered || at.Number != 1 || at.Transaction != (common.Hash{}) {
		t.Errorf("got %+v", at)
	}
}

func TestEachSubmittersTransactionsAreOfferedBySeqWithoutAGap(t *testing.T) {
	r := newRig(t, nil)
	a0, a1, a2, a4 := r.sealed(0, 0), r.sealed(0, 1), r.sealed(0, 2), r.sealed(0, 4)
	b1, b0, c0 := r.sealed(1, 1), r.sealed(1, 0), r.sealed(2, 0)
	r.must(a2, a0, b1, c0, a4, a1, b0)
	// One of each submitter in a turn, by arrival. In its last turn a finds a gap.
	if got := r.offered(a0, a1, a2, a4, b0, b1, c0); !sameInts(got, 0, 6, 4, 5, 1, 2) {
		t.Fatalf("offered %v", got)
	}
	for by, want := range map[int]uint64{0: 3, 1: 2, 2: 1, 3: 0} {
		if got := r.NextSeq(r.address(by)); got != want {
			t.Errorf("next seq of %d is %d, want %d", by, got, want)
		}
	}
	r.apply(r.decide(a0, a1))
	a3 := r.sealed(0, 3)
	r.must(a3)
	if got := r.offered(a2, a3, a4); !sameInts(got, 0, 1, 2) {
		t.Fatalf("then offered %v", got)
	}
}

func TestAProposalHasAsMuchAsItsBytesAndGasAllow(t *testing.T) {
	r := newRig(t, nil)
	gas := func(g uint64) func(*seal.Header) { return func(h *seal.Header) { h.Gas = g } }
	big, small, third := r.sealed(0, 0, gas(600_000)), r.sealed(1, 0, gas(300_000)), r.sealed(2, 0, gas(200_000))
	r.must(big, small, third)
	if got := r.offered(big, small, third); !sameInts(got, 2, 1) {
		t.Errorf("by gas %v", got)
	}
	for _, one := range []struct {
		share, room uint64
		want        int
	}{{10, 10, 0}, {10, plenty, 1}, {uint64(2 * len(big)), plenty, 1}, {uint64(3 * len(big)), plenty, 2}, {plenty, uint64(3 * len(big)), 2}} {
		if raws, _, _ := r.Next(r.next(), one.share, one.room); len(raws) != one.want {
			t.Errorf("share %d, room %d: %d", one.share, one.room, len(raws))
		}
	}
	if raws, _, _ := r.Next(&preblockv1.Content{}, plenty, plenty); len(raws) != 0 {
		t.Error("a number that is fixed has some")
	}
}

func paying(fee uint64) func(*seal.Header) { return func(h *seal.Header) { h.Fee = fee } }

// A transaction below the base fee would be opened and end: it waits, and nothing of its submitter overtakes it.
func TestWhatDoesNotPayTheBaseFeeWaitsUntilItDoesOrExpires(t *testing.T) {
	r := newRig(t, nil)
	low, behind := r.sealed(0, 0, paying(9)), r.sealed(0, 1, paying(99))
	exact, brief := r.sealed(1, 0, paying(10)), r.sealed(2, 0, paying(1), expiring(2))
	r.baseFee = 10
	r.must(low, behind, exact, brief)
	if got := r.offered(low, behind, exact, brief); !sameInts(got, 2) {
		t.Errorf("at a base fee of 10: offered %v", got)
	}
	if at, _ := r.Where(idOf(low)); at.Name != sealedpool.Sealed || at.Reason != "its fee, 9, is below the base fee of the next block, 10" {
		t.Errorf("it waits because %+v", at)
	}
	r.baseFee = 9
	if at, _ := r.Where(idOf(low)); at.Reason != "" {
		t.Errorf("it waits because %+v", at)
	}
	if got := r.offered(low, behind, exact, brief); !sameInts(got, 0, 2, 1) {
		t.Errorf("at a base fee of 9: offered %v", got)
	}
	r.apply(r.decide())
	r.apply(r.decide())
	if reason := r.reason(brief); !strings.Contains(reason, "expired") || r.Count() != 3 {
		t.Errorf("the one that expired: %q; %d wait", reason, r.Count())
	}
}

func TestWhatNoContentCouldHoldIsRefusedAndChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	r.apply(r.decide())
	ordered := r.sealed(3, 0)
	r.apply(r.decide(ordered))
	good := r.sealed(0, 0)
	r.must(good)
	signed := r.c.Checked(good).Sealed()
	resigned := append([]byte(nil), good...)
	resigned[len(resigned)-1] ^= 1
	forged := r.sealed(1, 0)
	forged[len(forged)-100]++
	stranger := committeetest.NewWith(t, 4, 3, 1, limits)
	other := r.sealed(2, 0)
	for i, one := range []struct {
		raw  []byte
		want error
	}{
		{good, sealedpool.ErrKnown},
		{resigned, sealedpool.ErrKnown},
		{ordered, sealedpool.ErrOrdered},
		{r.sealed(3, 0), sealedpool.ErrSeq},
		{r.sealed(3, 1+sealedpool.Ahead), sealedpool.ErrSeq},
		{r.sealed(3, sealedpool.Ahead), nil},
		{r.sealed(0, 0), sealedpool.ErrSeqTaken},
		{forged, seal.ErrProof},
		{stranger.SealedBy(r.keys[1], 0, []byte("x")), seal.ErrKey},
		{good[:len(good)-1], seal.ErrEncoding},
		{append(good[:len(good):len(good)], 0), seal.ErrEncoding},
		{r.sealed(1, 0, expiring(2)), rules.ErrExpiry},
		{r.sealed(1, 0, expiring(4+limits.Lifetime)), rules.ErrExpiry},
		{r.sealed(1, 0, func(h *seal.Header) { h.Gas = 20_999 }), rules.ErrGas},
		{r.sealed(1, 0, func(h *seal.Header) { h.Gas = limits.SealedGas + 1 }), rules.ErrGas},
		{other, nil},
		{other, sealedpool.ErrKnown},
	} {
		if err := r.submit(one.raw)[0]; !errors.Is(err, one.want) || (one.want == nil) != (err == nil) {
			t.Errorf("%d: got %v, want %v", i, err, one.want)
		}
	}
	if signed.ID() != seal.ID(idOf(resigned)) {
		t.Error("another signature makes another id")
	}
	twice := r.sealed(1, 0)
	if errs := r.submit(twice, twice, r.sealed(1, 0)); errs[0] != nil || !errors.Is(errs[1], sealedpool.ErrBusy) || !errors.Is(errs[2], sealedpool.ErrSeqTaken) {
		t.Errorf("in one go: %v", errs)
	}
	if got := r.offered(good, other, twice); r.Count() != 4 || !sameInts(got, 0, 1, 2) {
		t.Errorf("the pool has %d: %v", r.Count(), got)
	}
	r.restart()
	if r.Count() != 4 {
		t.Errorf("%d were stored", r.Count())
	}
}

// What is only claimed to be a submitter's must not keep its next transaction out.
func TestAForgeryDoesNotTakeASubmittersPlace(t *testing.T) {
	r := newRig(t, nil)
	real := r.sealed(0, 0)
	forged := r.sealed(0, 0)
	forged[len(forged)-100]++
	if errs := r.submit(forged, real); !errors.Is(errs[0], seal.ErrProof) || errs[1] != nil {
		t.Errorf("got %v", errs)
	}
}

func TestWhatCanBeOrderedNoLongerEndsWithItsReason(t *testing.T) {
	r := newRig(t, nil)
	brief, late, place := r.sealed(0, 0, expiring(2)), r.sealed(0, 1, expiring(5)), r.sealed(1, 0)
	r.must(brief, late, place)
	r.apply(r.decide())
	rival := r.sealed(1, 0) // ordered by another producer
	r.apply(r.decide(rival))
	if reason := r.reason(brief); !strings.Contains(reason, "expired") || r.Count() != 1 {
		t.Errorf("the expired one: %q; %d wait", reason, r.Count())
	}
	if reason := r.reason(place); !strings.Contains(reason, "its seq") {
		t.Errorf("the one whose seq is used: %q", reason)
	}
	if got := r.offered(late); len(got) != 0 {
		t.Error("one after a gap is offered")
	}
	again := r.sealed(0, 0)
	r.must(again)
	if got := r.offered(again, late); !sameInts(got, 0, 1) {
		t.Errorf("offered %v", got)
	}
	if all, err := r.store.Sealed(); err != nil || len(all) != 2 {
		t.Errorf("%d are stored, %v", len(all), err)
	}
}

func TestARestartEndsWhatCanBeOrderedNoLonger(t *testing.T) {
	r := newRig(t, nil)
	expired, used, stays := r.sealed(0, 0, expiring(2)), r.sealed(1, 0), r.sealed(2, 0)
	r.must(expired, used, stays)
	r.decide()
	r.decide(r.sealed(1, 0))
	r.head = 2
	r.restart()
	if r.Count() != 1 || r.reason(expired) == "" || r.reason(used) == "" || r.reason(stays) != "" {
		t.Errorf("%d wait; %q, %q", r.Count(), r.reason(expired), r.reason(used))
	}
	next := committeetest.NewWith(t, 4, 3, 1, limits)
	r.cfg.Checker = rules.NewChecker(next.Committee)
	r.restart()
	if reason := r.reason(stays); r.Count() != 0 || !strings.Contains(reason, seal.ErrKey.Error()) {
		t.Errorf("for another committee: %q", reason)
	}
}

func TestAStandbyAdoptsWhatTheLeaderHas(t *testing.T) {
	r := newRig(t, nil)
	mine, theirs, ordered, old := r.sealed(0, 0), r.sealed(0, 0), r.sealed(1, 0), r.sealed(2, 0)
	r.must(mine)
	r.apply(r.decide(ordered, r.sealed(2, 0)))
	adopted := [][]byte{theirs, ordered, old, r.sealed(3, 0)}
	for range 2 { // as after a reconnect
		for _, raw := range adopted {
			if err := r.store.Keep([]txstore.Change{{Kind: txstore.ChangeSealed, Raw: raw}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Adopt(adopted); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.offered(mine, theirs, ordered, old, adopted[3]); !sameInts(got, 1, 4) || r.Count() != 2 {
		t.Errorf("offered %v of %d", got, r.Count())
	}
	if r.reason(mine) == "" || r.reason(old) == "" {
		t.Error("what has no place any more has no end")
	}
	if len(r.store.Hashes()) != 2 {
		t.Errorf("%d are stored", len(r.store.Hashes()))
	}
	if err := r.End([]txstore.Ending{{Hash: idOf(theirs), Kind: txstore.Dropped, Reason: "the leader refused it"}}); err != nil || r.Count() != 1 {
		t.Errorf("%d after an end, %v", r.Count(), err)
	}
}

func TestAStandbyChecksWhatItAdoptedBeforeItLeads(t *testing.T) {
	r := newRig(t, nil)
	good, forged := r.sealed(0, 0), r.sealed(1, 0)
	forged[len(forged)-100]++
	if err := r.store.Keep([]txstore.Change{{Kind: txstore.ChangeSealed, Raw: forged}, {Kind: txstore.ChangeSealed, Raw: good}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Adopt([][]byte{forged, good}); err != nil || r.Count() != 2 {
		t.Fatalf("adopted %d, %v", r.Count(), err)
	}
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
	if got := r.offered(good); !sameInts(got, 0) || r.Count() != 1 || !strings.Contains(r.reason(forged), seal.ErrProof.Error()) {
		t.Errorf("%d are left; the forgery ended because %q", r.Count(), r.reason(forged))
	}
}

func TestARepeatWhoseBlockIsBeingAppliedIsAskedToComeAgain(t *testing.T) {
	r := newRig(t, nil)
	elsewhere := r.sealed(0, 0) // taken by another replica
	rec := r.decide(elsewhere)
	if err := r.submit(elsewhere)[0]; !errors.Is(err, sealedpool.ErrBusy) {
		t.Errorf("got %v", err)
	}
	r.apply(rec)
	if err := r.submit(elsewhere)[0]; !errors.Is(err, sealedpool.ErrOrdered) {
		t.Errorf("then %v", err)
	}
}

func TestOnlyAllowedSubmittersMaySend(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.Admit = (&admission.Entry{Allowed: map[common.Address]bool{r.address(0): true}, Closed: true}).Check
	})
	if errs := r.submit(r.sealed(1, 0), r.sealed(0, 0)); !errors.Is(errs[0], admission.ErrSubmitter) || errs[1] != nil {
		t.Errorf("got %v", errs)
	}
}

func TestAFullPoolRefusesAndTakesAgainWhenThereIsRoom(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Limits = sealedpool.Limits{Transactions: 2} })
	a, b, c := r.sealed(0, 0), r.sealed(1, 0), r.sealed(2, 0)
	if errs := r.submit(a, b, c); errs[1] != nil || !errors.Is(errs[2], sealedpool.ErrFull) {
		t.Fatalf("got %v", errs)
	}
	r.apply(r.decide(a))
	r.must(c)
}

func TestOfManyAtOnceForOnePlaceOneGetsIn(t *testing.T) {
	r := newRig(t, nil)
	var raws [][]byte
	for range 8 {
		raws = append(raws, r.sealed(0, 0))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for i := range 16 {
		wg.Go(func() {
			if r.submit(raws[i%8])[0] == nil {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if taken != 1 || r.Count() != 1 {
		t.Errorf("%d were taken, %d wait", taken, r.Count())
	}
}

// TestEveryProposalKeepsTheRules whatever arrives in whatever order, is ordered by others, or expires; and nothing stays in the
// pool for ever.
func TestEveryProposalKeepsTheRules(t *testing.T) {
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, nil)
		for range 40 {
			for range rnd.IntN(4) {
				by := rnd.IntN(4)
				next := r.NextSeq(r.address(by))
				seq := next + uint64(rnd.IntN(3)) - min(next, uint64(rnd.IntN(2)))
				r.submit(r.sealed(by, seq, expiring(r.head+1+uint64(rnd.IntN(int(limits.Lifetime))))))
			}
			if rnd.IntN(10) == 0 {
				r.restart()
			}
			raws, _, _ := r.Next(r.next(), plenty, plenty)
			r.offered()
			raws = raws[:rnd.IntN(len(raws)+1)]
			if rnd.IntN(3) == 0 { // another producer's content
				by := rnd.IntN(4)
				raws = [][]byte{r.sealed(by, r.window.Next(r.address(by), r.head+1))}
			}
			r.apply(r.decide(raws...))
		}
		for range 2 * limits.Lifetime {
			r.apply(r.decide())
		}
		if r.Count() != 0 || len(r.store.Hashes()) != 0 {
			t.Errorf("seed %d: %d wait, %d are stored", seed, r.Count(), len(r.store.Hashes()))
		}
	}
}
