package voter

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
)

const adoptedRefusal = keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED

// lone is the last of four keyholders of a committee that begins at number 5; the others certify without it.
type lone struct {
	*committeetest.Committee
	t *testing.T
	o Options
}

func newLone(t *testing.T) *lone {
	t.Helper()
	c := committeetest.New(t, 4, 3, 5)
	return &lone{c, t, Options{
		Dir: t.TempDir(), Committee: c.Committee, Key: c.Identities[3], Share: c.Secrets[3], Log: slog.New(slog.DiscardHandler),
	}}
}

// chain certifies contents of a variant for numbers from 5 on.
func (l *lone) chain(variant byte, length int) (all []*keyholderv1.Adopted, hashes []common.Hash) {
	var previous common.Hash
	for n := range uint64(length) {
		a, hash := l.certify(contentOf(5+n, variant), previous)
		all, hashes, previous = append(all, a), append(hashes, hash), hash
	}
	return all, hashes
}

func (l *lone) certify(c *preblockv1.Content, previous common.Hash) (*keyholderv1.Adopted, common.Hash) {
	cert, hash := l.Certify(c, previous)
	return &keyholderv1.Adopted{Content: c, Certificate: cert}, hash
}

func (h *Voter) expect(t *testing.T, what string, c *preblockv1.Content, previous common.Hash, want keyholderv1.AttestRefusal) Answer {
	t.Helper()
	a := h.mustAttest(t, c, previous)
	if a.Refusal != want {
		t.Fatalf("%s: %s, want %s", what, a.Refusal, want)
	}
	return a
}

// again closes a voter and opens its directory.
func (l *lone) again(h *Voter) *Voter {
	l.t.Helper()
	if err := h.Close(); err != nil {
		l.t.Fatal(err)
	}
	return open(l.t, l.o)
}

func TestAdoptedContentIsFollowedAndNotSigned(t *testing.T) {
	l := newLone(t)
	h := open(t, l.o)
	certified, hashes := l.chain(1, 2)
	mine := h.expect(t, "its own", contentOf(5, 0), common.Hash{}, vote.Granted)
	h.expect(t, "after the certified one, not adopted", contentOf(6, 1), hashes[0], otherPrevious)
	for range 2 { // a repeat is a success, also after a restart
		if err := h.Adopt(t.Context(), certified[0]); err != nil {
			t.Fatal(err)
		}
		h = l.again(h)
	}
	for what, a := range map[string]Answer{
		"the certified one": h.expect(t, "the certified one", contentOf(5, 1), common.Hash{}, adoptedRefusal),
		"its own again":     h.expect(t, "its own again", contentOf(5, 0), common.Hash{}, vote.Granted),
		"a third":           h.expect(t, "a third", contentOf(5, 2), common.Hash{}, otherContent),
	} {
		if a.Attested.String() != mine.Attested.String() {
			t.Errorf("%s: it shows %v", what, a.Attested)
		}
	}
	if st := h.Status(); st.Last != 5 || st.Payload != hashes[0] {
		t.Errorf("status %+v", st)
	}
	own := attest.StatementOf(l.Committee.Committee, contentOf(5, 0), common.Hash{})
	h.expect(t, "after its own", contentOf(6, 1), own.Hash(), otherPrevious)
	h.expect(t, "after the certified one", contentOf(6, 1), hashes[0], vote.Granted)
	h = l.again(h)
	h.expect(t, "the number after", contentOf(7, 1), hashes[1], vote.Granted)
	got, err := h.Attested(5)
	if err != nil || !proto.Equal(got.GetAdopted(), certified[0]) || !proto.Equal(got.GetContent(), contentOf(5, 0)) {
		t.Errorf("it tells of number 5: %v, %v", got, err)
	}
	if got, err := h.Attested(6); err != nil || got.GetAdopted() != nil {
		t.Errorf("it tells of number 6: %v, %v", got, err)
	}
}

func TestALostOrderIsGivenUpNumberByNumber(t *testing.T) {
	l := newLone(t)
	h := open(t, l.o)
	certified, hashes := l.chain(1, 4)
	var previous common.Hash
	for n := uint64(5); n <= 7; n++ {
		h.expect(t, "its own", contentOf(n, 0), previous, vote.Granted)
		previous = attest.StatementOf(l.Committee.Committee, contentOf(n, 0), previous).Hash()
	}
	for i := range 3 {
		for j := i + 1; j < 3; j++ {
			if err := h.Adopt(t.Context(), certified[j]); !errors.Is(err, vote.ErrPredecessor) {
				t.Errorf("number %d after %d adoptions: %v", 5+j, i, err)
			}
		}
		if err := h.Adopt(t.Context(), certified[i]); err != nil {
			t.Fatal(err)
		}
		if h = l.again(h); i == 2 {
			break
		}
		h.expect(t, "what follows, too early", contentOf(8, 1), hashes[2], otherPrevious)
		h.expect(t, "what follows its own", contentOf(8, 0), previous, otherPrevious)
		h.expect(t, "the last certified one", contentOf(7, 1), hashes[1], otherContent)
		if err := h.Adopt(t.Context(), certified[0]); err != nil {
			t.Errorf("the first again after %d adoptions: %v", i+1, err)
		}
	}
	h.expect(t, "what follows", contentOf(8, 1), hashes[2], vote.Granted)
	if err := h.Adopt(t.Context(), certified[3]); err != nil {
		t.Errorf("what it attested itself: %v", err)
	}
	if len(h.adoptions.numbers) != 3 {
		t.Errorf("adopted %v", h.adoptions.numbers)
	}
}

func TestOnlyWhatACertificateShowsIsAdopted(t *testing.T) {
	l, other := newLone(t), newLone(t)
	h := open(t, l.o)
	h.expect(t, "its own", contentOf(5, 0), common.Hash{}, vote.Granted)
	certified, _ := l.chain(1, 1)
	foreign, _ := other.chain(1, 1)
	later, _ := l.certify(contentOf(6, 1), common.Hash{9})
	change := func(f func(*keyholderv1.Adopted)) *keyholderv1.Adopted {
		a := proto.CloneOf(certified[0])
		f(a)
		return a
	}
	for name, c := range map[string]struct {
		adopted *keyholderv1.Adopted
		want    error
	}{
		"another content":   {change(func(a *keyholderv1.Adopted) { a.Content.Transactions = nil }), attest.ErrCertificate},
		"no quorum":         {change(func(a *keyholderv1.Adopted) { a.Certificate.Attestations = a.Certificate.Attestations[:2] }), attest.ErrCertificate},
		"a bad signature":   {change(func(a *keyholderv1.Adopted) { a.Certificate.Attestations[1].Signature[7]++ }), attest.ErrCertificate},
		"no certificate":    {change(func(a *keyholderv1.Adopted) { a.Certificate = nil }), attest.ErrCertificate},
		"another committee": {foreign[0], ErrOtherCommittee},
		"a number to come":  {later, ErrNotAttested},
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
	for name, a := range map[string]*keyholderv1.Adopted{"a second certificate": second[0], "one over its own": mine[0]} {
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
	if _, err := h.Attest(l.t.Context(), other, hash); !errors.Is(err, rules.ErrSeq) {
		l.t.Fatalf("what follows the content that was given up: %v", err)
	}
	h.expect(l.t, "the next", next, hash, vote.Granted)
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
	h := open(t, l.o)
	h.expect(t, "its own", given, common.Hash{}, vote.Granted)
	a, _ := l.certify(certified, common.Hash{})
	if _, err := h.Release(t.Context(), a.GetCertificate(), nil); !errors.Is(err, ErrOtherOrder) {
		t.Fatalf("shares before it is adopted: %v", err)
	}
	if err := h.Adopt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	l.continues(h, certified, next, other)
}

// TestAnAdoptionFurtherBackThanIsRememberedIsFollowed restarts, after which the window cannot be rewound, only built again.
func TestAnAdoptionFurtherBackThanIsRememberedIsFollowed(t *testing.T) {
	l := newLone(t)
	l.Committee = committeetest.NewWith(t, 4, 3, 5, committee.Limits{Lifetime: 2})
	l.o.Committee, l.o.Key, l.o.Share = l.Committee.Committee, l.Identities[3], l.Secrets[3]
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	with := func(number, seq uint64) *preblockv1.Content {
		c := contentOf(number, 0)
		c.Transactions = [][]byte{l.SealedBy(key, seq, []byte{byte(seq)}, func(h *seal.Header) { h.Expiry = number })}
		return c
	}
	h := open(t, l.o)
	hashes := map[uint64]common.Hash{}
	for n := uint64(5); n <= 12; n++ {
		c := with(n, n-5)
		h.expect(t, "its own", c, hashes[n-1], vote.Granted)
		hashes[n] = attest.StatementOf(l.Committee.Committee, c, hashes[n-1]).Hash()
	}
	h = l.again(h)
	certified := contentOf(9, 1) // without the submitter's
	for n := uint64(9); n <= 12; n++ {
		a, hash := l.certify(certified, hashes[n-1])
		if err := h.Adopt(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			h = l.again(h)
		}
		hashes[n], certified = hash, contentOf(n+1, 1)
	}
	if _, err := h.Attest(t.Context(), with(13, 4), hashes[12]); !errors.Is(err, rules.ErrSeq) {
		t.Fatalf("the last one ordered was 5 numbers ago: %v", err)
	}
	h.expect(t, "a submitter that is new again", with(13, 0), hashes[12], vote.Granted)
}

func TestACertifiedContentThatBreaksARuleIsNotAdopted(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := open(t, l.o)
	h.expect(t, "its own", given, common.Hash{}, vote.Granted)
	broken := contentOf(5, 1)
	broken.Transactions = [][]byte{{1}, l.Sealed([]byte("after a plain one"))}
	a, _ := l.certify(broken, common.Hash{})
	if err := h.Adopt(t.Context(), a); !errors.Is(err, rules.ErrContent) || !errors.Is(err, rules.ErrPlace) {
		t.Fatalf("adopted: %v", err)
	}
	own := attest.StatementOf(l.Committee.Committee, given, common.Hash{}).Hash()
	if _, err := h.Attest(t.Context(), next, own); !errors.Is(err, rules.ErrSeq) {
		t.Fatalf("a seq that its own content used: %v", err)
	}
	if a, _ = l.certify(certified, common.Hash{}); h.Adopt(t.Context(), a) != nil {
		t.Fatal("the next certificate is not adopted")
	}
	l.continues(h, certified, next, other)
}

func TestAnAdoptionThatACrashCutOffIsFollowed(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := open(t, l.o)
	h.expect(t, "its own", given, common.Hash{}, vote.Granted)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	// The adoption is durable, and the process died before it did anything else.
	a, _ := l.certify(certified, common.Hash{})
	log, err := wal.Open(filepath.Join(l.o.Dir, "adopted"), wal.Options{})
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
	l.continues(open(t, l.o), certified, next, other)
}

// TestCrashAtAnyStepOfAnAdoptionIsFollowedByTheSame crashes at every operation of the disk. What was signed stays what was
// signed, and the adoption is there or can be repeated.
func TestCrashAtAnyStepOfAnAdoptionIsFollowedByTheSame(t *testing.T) {
	for _, late := range []bool{false, true} {
		for good, done := 0, false; !done; good++ {
			l := newLone(t)
			given, certified, next, other := l.orders()
			a, _ := l.certify(certified, common.Hash{})
			h := open(t, l.o)
			mine := h.expect(t, "its own", given, common.Hash{}, vote.Granted)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			o := l.o
			o.FS = &crashingFS{good: good, late: late}
			h, err := Open(t.Context(), o)
			if err == nil {
				err = h.Adopt(t.Context(), a)
				if done = err == nil; !done && !errors.Is(h.Run(t.Context()), errDisk) {
					t.Fatalf("crash %d: it goes on after %v", good, err)
				}
				_ = h.Close()
			}
			if err != nil && !errors.Is(err, errDisk) && !errors.Is(err, ErrStorage) {
				t.Fatalf("crash %d: %v", good, err)
			}
			h = open(t, l.o)
			if again := h.expect(t, "its own", given, common.Hash{}, vote.Granted); again.Attested.String() != mine.Attested.String() {
				t.Fatalf("crash %d: it shows %v", good, again.Attested)
			}
			if err := h.Adopt(t.Context(), a); err != nil {
				t.Fatalf("crash %d: repeated: %v", good, err)
			}
			l.continues(h, certified, next, other)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
