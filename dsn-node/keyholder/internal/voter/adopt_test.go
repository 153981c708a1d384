package voter

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
)

func TestAdoptedContentIsFollowedAndNotSigned(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	certified, hashes := l.chain(1, 2)
	mine := l.expect(h, "its own", contentOf(5, 0), common.Hash{}, vote.Granted)
	l.expect(h, "after the certified one, not adopted", contentOf(6, 1), hashes[0], otherPrevious)
	for range 2 { // a repeat is a success, also after a restart
		if err := h.Adopt(t.Context(), certified[0]); err != nil {
			t.Fatal(err)
		}
		h = l.again(h)
	}
	for what, a := range map[string]Answer{
		"the certified one": l.expect(h, "the certified one", contentOf(5, 1), common.Hash{}, adoptedRefusal),
		"its own again":     l.expect(h, "its own again", contentOf(5, 0), common.Hash{}, vote.Granted),
		"a third":           l.expect(h, "a third", contentOf(5, 2), common.Hash{}, otherContent),
	} {
		if a.Attested.String() != mine.Attested.String() || !proto.Equal(a.Certificate, certified[0].GetCertificate()) {
			t.Errorf("%s: it shows %v, %v", what, a.Attested, a.Certificate)
		}
	}
	if st := h.Status(); st.Last != 5 || st.Payload != hashes[0] {
		t.Errorf("status %+v", st)
	}
	own, hash := l.certify(contentOf(5, 0), common.Hash{})
	l.expect(h, "after its own", contentOf(6, 1), hash, otherPrevious)
	if err := h.Adopt(t.Context(), own); !errors.Is(err, vote.ErrContradiction) {
		t.Errorf("its own, certified too: %v", err)
	}
	l.expect(h, "after the certified one", contentOf(6, 1), hashes[0], vote.Granted)
	h = l.again(h)
	l.expect(h, "the number after", contentOf(7, 1), hashes[1], vote.Granted)
	got, err := h.Attested(5)
	if err != nil || !proto.Equal(got.GetAdopted(), certified[0]) || !proto.Equal(got.GetContent(), contentOf(5, 0)) {
		t.Errorf("it tells of number 5: %v, %v", got, err)
	}
	if got, err := h.Attested(6); err != nil || got.GetAdopted() != nil {
		t.Errorf("it tells of number 6: %v, %v", got, err)
	}
}

// TestAKeyholderThatWasAwayIsBroughtUpNumberByNumber: by adoptions, without signatures.
func TestAKeyholderThatWasAwayIsBroughtUpNumberByNumber(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	certified, hashes := l.chain(1, 5)
	l.expect(h, "its own", contentOf(5, 0), common.Hash{}, vote.Granted)
	if err := h.Adopt(t.Context(), certified[1]); !errors.Is(err, vote.ErrPredecessor) {
		t.Errorf("the next one before the one that was attested otherwise: %v", err)
	}
	for i := range 4 {
		for j := i + 1; j < 4; j++ {
			if err := h.Adopt(t.Context(), certified[j]); !errors.Is(err, vote.ErrNotHeld) && !errors.Is(err, vote.ErrPredecessor) {
				t.Errorf("number %d after %d adoptions: %v", 5+j, i, err)
			}
		}
		for range 2 {
			if err := h.Adopt(t.Context(), certified[i]); err != nil {
				t.Fatal(err)
			}
			h = l.again(h)
		}
		if err := h.Adopt(t.Context(), certified[0]); err != nil {
			t.Errorf("the first again after %d adoptions: %v", i+1, err)
		}
	}
	a := l.expect(h, "what it adopted", contentOf(8, 1), hashes[2], adoptedRefusal)
	if a.Attested != nil || !proto.Equal(a.Certificate, certified[3].GetCertificate()) {
		t.Errorf("it shows %v", a)
	}
	if a := l.expect(h, "another", contentOf(8, 0), hashes[2], otherContent); a.Attested != nil {
		t.Errorf("it shows %v", a)
	}
	got, err := h.Attested(8)
	if err != nil || got.GetAttested() != nil || got.GetContent() != nil || !proto.Equal(got.GetAdopted(), certified[3]) {
		t.Errorf("it tells of number 8: %v, %v", got, err)
	}
	next := l.proposal(contentOf(9, 1), hashes[3])
	next.Finality = nil // it knows
	if a, err := h.Attest(t.Context(), next); err != nil || a.Refusal != vote.Granted {
		t.Fatalf("what follows: %+v, %v", a, err)
	}
	if err := h.Adopt(t.Context(), certified[4]); err != nil {
		t.Errorf("what it attested itself: %v", err)
	}
	h = l.again(h)
	if r, err := h.Report(t.Context(), common.Hash{1}); err != nil || !proto.Equal(r.GetCertificate(), certified[4].GetCertificate()) {
		t.Errorf("it reports %v, %v", r, err)
	}
}

// TestTheNextNumberShowsThatTheLastOneIsFinal: a quorum attested it after that.
func TestTheNextNumberShowsThatTheLastOneIsFinal(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	certified, hashes := l.chain(1, 2)
	l.expect(h, "the first", contentOf(5, 1), common.Hash{}, vote.Granted)
	if err := h.Adopt(t.Context(), certified[1]); err != nil {
		t.Fatal(err)
	}
	h = l.again(h)
	l.expect(h, "the third", contentOf(7, 1), hashes[1], vote.Granted)
	for number, want := range map[uint64]bool{5: false, 6: true, 7: false} {
		if got, err := h.Attested(number); err != nil || (got.GetAdopted() != nil) != want {
			t.Errorf("it tells of number %d: %v, %v", number, got, err)
		}
	}
	if _, err := h.Lock(t.Context(), unlocked(certified[0]), nil); err != nil {
		t.Errorf("a late lock of what is final: %v", err)
	}
}

func TestOnlyWhatACertificateShowsIsAdopted(t *testing.T) {
	l, other := newLone(t), newLone(t)
	h := l.restored()
	l.expect(h, "its own", contentOf(5, 0), common.Hash{}, vote.Granted)
	certified, _ := l.chain(1, 1)
	foreign, _ := other.chain(1, 1)
	later, _ := l.certify(contentOf(7, 1), common.Hash{9})
	after, _ := l.certify(contentOf(6, 1), common.Hash{9})
	predecessor, _ := l.certify(contentOf(5, 1), common.Hash{9})
	change := func(f func(*keyholderv1.Adopted)) *keyholderv1.Adopted { return changed(certified[0], f) }
	for name, c := range map[string]struct {
		adopted *keyholderv1.Adopted
		want    error
	}{
		"another content":   {change(func(a *keyholderv1.Adopted) { a.Content.Transactions = nil }), attest.ErrCertificate},
		"another base fee":  {change(func(a *keyholderv1.Adopted) { a.Content.BaseFee++ }), attest.ErrCertificate},
		"another number":    {change(func(a *keyholderv1.Adopted) { a.Content.Number++ }), attest.ErrCertificate},
		"no quorum":         {change(func(a *keyholderv1.Adopted) { a.Certificate.Attestations = a.Certificate.Attestations[:2] }), attest.ErrCertificate},
		"a bad signature":   {change(func(a *keyholderv1.Adopted) { a.Certificate.Attestations[1].Signature[7]++ }), attest.ErrCertificate},
		"no locks":          {change(func(a *keyholderv1.Adopted) { a.Certificate.Locks = nil }), attest.ErrCertificate},
		"too few locks":     {change(func(a *keyholderv1.Adopted) { a.Certificate.Locks = a.Certificate.Locks[1:] }), attest.ErrCertificate},
		"a bad lock":        {change(func(a *keyholderv1.Adopted) { a.Certificate.Locks[1].Signature[7]++ }), attest.ErrCertificate},
		"no certificate":    {change(func(a *keyholderv1.Adopted) { a.Certificate = nil }), attest.ErrCertificate},
		"a predecessor":     {predecessor, attest.ErrCertificate},
		"another committee": {foreign[0], ErrOtherCommittee},
		"a number to come":  {later, vote.ErrNotHeld},
		"after another":     {after, vote.ErrPredecessor},
	} {
		if err := h.Adopt(t.Context(), c.adopted); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := h.Adopt(t.Context(), nil); err == nil {
		t.Error("nothing was adopted")
	}
	if err := h.Adopt(t.Context(), certified[0]); err != nil {
		t.Fatal(err)
	}
	second, _ := l.chain(2, 1)
	mine, _ := l.chain(0, 1)
	for name, a := range map[string]*keyholderv1.Adopted{"a second certificate": second[0], "one over its own": mine[0], "after another": after} {
		if err := h.Adopt(t.Context(), a); !errors.Is(err, vote.ErrContradiction) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// orders are contents in which a submitter's transactions stand otherwise than in the content that was given up. next follows
// the certified one only, other the given one only.
func (l *lone) orders() (given, certified, next, other *preblockv1.Content) {
	l.t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		l.t.Fatal(err)
	}
	sealed := func(seq uint64) []byte { return l.SealedBy(key, seq, []byte{byte(seq)}) }
	given, certified, next, other = contentOf(5, 0), contentOf(5, 1), contentOf(6, 1), contentOf(6, 2)
	given.Transactions = [][]byte{sealed(0), sealed(1)}
	certified.Transactions = [][]byte{l.Sealed([]byte("another's")), sealed(0), {1}}
	next.Transactions = [][]byte{sealed(1), sealed(2)}
	other.Transactions = [][]byte{sealed(2)}
	return given, certified, next, other
}

// continues checks that the keyholder judges and opens by the adopted order.
func (l *lone) continues(h *Voter, certified, next, other *preblockv1.Content) {
	l.t.Helper()
	first, hash := l.certify(certified, common.Hash{})
	if _, err := l.attest(h, other, hash); !errors.Is(err, rules.ErrSeq) {
		l.t.Fatalf("what follows the content that was given up: %v", err)
	}
	l.expect(h, "the next", next, hash, vote.Granted)
	second, _ := l.certify(next, hash)
	for _, a := range []*keyholderv1.Adopted{first, second} {
		s, err := h.Release(l.t.Context(), a.GetCertificate(), nil)
		if err != nil {
			l.t.Fatal(err)
		}
		for i, answer := range s.GetAnswers() {
			want, err := l.o.Share.Share(l.Checked(a.GetContent().GetTransactions()[i]))
			if err != nil || !bytes.Equal(answer.GetShare(), want.Point[:]) || len(s.GetAnswers()) != 2 {
				l.t.Fatalf("number %d: %v, %v", a.GetContent().GetNumber(), s.GetAnswers(), err)
			}
		}
	}
}

func TestWhatWasGivenUpUsesNoSeq(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := l.restored()
	l.expect(h, "its own", given, common.Hash{}, vote.Granted)
	a, _ := l.certify(certified, common.Hash{})
	if _, err := h.Release(t.Context(), a.GetCertificate(), nil); !errors.Is(err, vote.ErrOtherOrder) {
		t.Fatalf("shares before it is adopted: %v", err)
	}
	if err := h.Adopt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	l.continues(h, certified, next, other)
}

// TestAnAdoptionFurtherBackThanIsRememberedIsFollowed restarts, after which the window cannot be rewound, only built again.
func TestAnAdoptionFurtherBackThanIsRememberedIsFollowed(t *testing.T) {
	l := withLifetime(t, 2)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	with := func(number, seq uint64) *preblockv1.Content {
		c := contentOf(number, 0)
		c.Transactions = [][]byte{l.SealedBy(key, seq, []byte{byte(seq)}, func(h *seal.Header) { h.Expiry = number })}
		return c
	}
	h := l.restored()
	var previous common.Hash
	for n := uint64(5); n <= 9; n++ {
		c := with(n, n-5)
		l.expect(h, "its own", c, previous, vote.Granted)
		if n < 9 { // the last one is lost
			_, previous = l.certify(c, previous)
		}
	}
	h = l.again(h)
	certified := contentOf(9, 1) // without the submitter's
	for n := uint64(9); n <= 12; n++ {
		a, hash := l.certify(certified, previous)
		if err := h.Adopt(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if n == 9 {
			if _, err := l.attest(h, with(10, 5), hash); !errors.Is(err, rules.ErrSeq) {
				t.Fatalf("a seq that only the lost content used: %v", err)
			}
		}
		if n%2 == 0 {
			h = l.again(h)
		}
		previous, certified = hash, contentOf(n+1, 1)
	}
	if _, err := l.attest(h, with(13, 4), previous); !errors.Is(err, rules.ErrSeq) {
		t.Fatalf("the last one ordered was 5 numbers ago: %v", err)
	}
	l.expect(h, "a submitter that is new again", with(13, 0), previous, vote.Granted)
}

// TestACertifiedContentThatBreaksARuleIsNotAdopted: and what the keyholder attested is in its order still.
func TestACertifiedContentThatBreaksARuleIsNotAdopted(t *testing.T) {
	for _, goesOn := range []string{"with its own", "with another certified one"} {
		l := newLone(t)
		given, certified, next, other := l.orders()
		h := l.restored()
		l.expect(h, "its own", given, common.Hash{}, vote.Granted)
		broken := contentOf(5, 1)
		broken.Transactions = [][]byte{{1}, l.Sealed([]byte("after a plain one"))}
		a, _ := l.certify(broken, common.Hash{})
		for range 2 {
			if err := h.Adopt(t.Context(), a); !errors.Is(err, rules.ErrContent) || !errors.Is(err, rules.ErrPlace) {
				t.Fatalf("adopted: %v", err)
			}
			if _, err := h.Lock(t.Context(), unlocked(a), broken); !errors.Is(err, rules.ErrContent) || !errors.Is(err, rules.ErrPlace) {
				t.Fatalf("locked: %v", err)
			}
		}
		if goesOn == "with its own" {
			_, own := l.certify(given, common.Hash{})
			if _, err := l.attest(h, next, own); !errors.Is(err, rules.ErrSeq) {
				t.Fatalf("a seq that its own content used: %v", err)
			}
			l.expect(h, "what follows", other, own, vote.Granted)
			continue
		}
		if a, _ = l.certify(certified, common.Hash{}); h.Adopt(t.Context(), a) != nil {
			t.Fatal("the next certificate is not adopted")
		}
		l.continues(h, certified, next, other)
	}
}

func TestACertifiedContentThatBreaksARuleIsNotAdoptedAsTheNextOne(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	broken := contentOf(5, 1)
	broken.Transactions = [][]byte{{1}, l.Sealed([]byte("after a plain one"))}
	a, _ := l.certify(broken, common.Hash{})
	if err := h.Adopt(t.Context(), a); !errors.Is(err, rules.ErrContent) || !errors.Is(err, rules.ErrPlace) || h.Status().Last != 0 {
		t.Fatalf("adopted: %v, %+v", err, h.Status())
	}
	l.expect(h, "another", contentOf(5, 0), common.Hash{}, vote.Granted)
}

func TestAnAdoptionThatACrashCutOffIsFollowed(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := l.restored()
	l.expect(h, "its own", given, common.Hash{}, vote.Granted)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	// The adoption is durable, and the process died before it did anything else.
	a, _ := l.certify(certified, common.Hash{})
	log, err := wal.Open(filepath.Join(l.o.Dir, "certified"), wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	record, err := proto.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.Append(1, record), log.Close()); err != nil {
		t.Fatal(err)
	}
	l.continues(l.open(), certified, next, other)
}

// TestCrashAtAnyStepOfAnAdoptionIsFollowedByTheSame crashes at every operation of the disk, when the content is adopted because
// it is final, and when it is locked. What was signed stays what was signed, and the adoption is there or can be repeated.
func TestCrashAtAnyStepOfAnAdoptionIsFollowedByTheSame(t *testing.T) {
	for name, change := range map[string]func(*Voter, *keyholderv1.Adopted) error{
		"adopted": func(h *Voter, a *keyholderv1.Adopted) error { return h.Adopt(t.Context(), a) },
		"locked": func(h *Voter, a *keyholderv1.Adopted) error {
			_, err := h.Lock(t.Context(), unlocked(a), a.GetContent())
			return err
		},
	} {
		for _, late := range []bool{false, true} {
			for good, done := 0, false; !done; good++ {
				l := newLone(t)
				given, certified, next, other := l.orders()
				a, _ := l.certify(certified, common.Hash{})
				h := l.restored()
				mine := l.expect(h, "its own", given, common.Hash{}, vote.Granted)
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				o := l.o
				o.FS = &crashingFS{good: good, late: late}
				h, err := Open(t.Context(), o)
				if err == nil {
					err = change(h, a)
					if done = err == nil; !done && !errors.Is(h.Run(t.Context()), errDisk) {
						t.Fatalf("%s, crash %d: it goes on after %v", name, good, err)
					}
					_ = h.Close()
				}
				if err != nil && !errors.Is(err, errDisk) && !errors.Is(err, ErrStorage) {
					t.Fatalf("%s, crash %d: %v", name, good, err)
				}
				h = l.open()
				if again := l.expect(h, "its own", given, common.Hash{}, vote.Granted); again.Attested.String() != mine.Attested.String() {
					t.Fatalf("%s, crash %d: it shows %v", name, good, again.Attested)
				}
				if err := change(h, a); err != nil {
					t.Fatalf("%s, crash %d: repeated: %v", name, good, err)
				}
				l.continues(h, certified, next, other)
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestCrashAtAnyStepOfCatchingUpIsFollowedByTheSame is the same for the adoption of the next number.
func TestCrashAtAnyStepOfCatchingUpIsFollowedByTheSame(t *testing.T) {
	for _, late := range []bool{false, true} {
		for good, done := 0, false; !done; good++ {
			l := newLone(t)
			all, hashes := l.chain(1, 3)
			if err := l.restored().Close(); err != nil {
				t.Fatal(err)
			}
			o := l.o
			o.FS = &crashingFS{good: good, late: late}
			adopted := 0
			if h, err := Open(t.Context(), o); err == nil {
				for ; adopted < 3 && h.Adopt(t.Context(), all[adopted]) == nil; adopted++ {
				}
				if done = adopted == 3; !done && !errors.Is(h.Run(t.Context()), errDisk) {
					t.Fatalf("crash %d: it goes on", good)
				}
				_ = h.Close()
			}
			h := l.open()
			if last := h.Status().Last; adopted > 0 && last < 4+uint64(adopted) {
				t.Fatalf("crash %d: %d were adopted, %d is the last", good, adopted, last)
			}
			for _, a := range all {
				if err := h.Adopt(t.Context(), a); err != nil {
					t.Fatalf("crash %d: repeated: %v", good, err)
				}
			}
			if h.Status().Challenge == nil { // not when the crash was before the first
				l.expect(h, "what follows", contentOf(8, 1), hashes[2], vote.Granted)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
