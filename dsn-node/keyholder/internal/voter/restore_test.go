package voter

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// lose empties the directory of a keyholder.
func (l *lone) lose(h *Voter) *Voter {
	l.t.Helper()
	if err := errors.Join(h.Close(), os.RemoveAll(l.o.Dir)); err != nil {
		l.t.Fatal(err)
	}
	return l.open()
}

// TestWithoutItsVotesAKeyholderSignsNothingItMayHaveSignedBefore: it attested up to 8 and locked up to 7; its disk is emptied.
func TestWithoutItsVotesAKeyholderSignsNothingItMayHaveSignedBefore(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	all, hashes := l.chain(0, 5)
	for i, a := range all[:4] {
		l.expect(h, "before", a.GetContent(), append([]common.Hash{{}}, hashes...)[i], vote.Granted)
		if i < 3 {
			l.locks(h, a, nil)
		}
	}
	h = l.lose(h)
	st := h.Status()
	if st.Challenge == nil || *st.Challenge == (common.Hash{}) || st.SignsFrom != 0 || st.Last != 0 {
		t.Fatalf("status %+v", st)
	}
	for number := uint64(5); number <= 9; number++ {
		l.expect(h, "before it is restored", contentOf(number, 1), common.Hash{}, restored)
	}
	if err := h.Adopt(t.Context(), all[0]); err != nil { // it follows
		t.Fatal(err)
	}
	l.expect(h, "after an adoption", contentOf(6, 1), hashes[0], restored)
	if _, err := h.Report(t.Context(), common.Hash{1}); !errors.Is(err, vote.ErrRestored) {
		t.Fatalf("it reports: %v", err)
	}
	if _, err := h.Lock(t.Context(), unlocked(all[0]), nil); !errors.Is(err, vote.ErrRestored) {
		t.Fatalf("a lock: %v", err)
	}
	h = l.again(h)
	if again := h.Status().Challenge; again == nil || *again == *st.Challenge {
		t.Fatalf("its challenge is %v again", again)
	}
	// One peer has locked 7, the others are behind or say so.
	reports := l.reports(h, all[1].GetCertificate(), unlocked(all[2]), nil)
	if from, err := h.Restore(t.Context(), reports); err != nil || from != 9 {
		t.Fatal(from, err)
	}
	for range 2 { // also after a restart
		if st := h.Status(); st.SignsFrom != 9 || st.Challenge != nil {
			t.Fatalf("status %+v", st)
		}
		if from, err := h.Restore(t.Context(), nil); err != nil || from != 9 {
			t.Fatal("a repeat", from, err)
		}
		h = l.again(h)
	}
	for i, a := range all[1:4] {
		l.expect(h, "what it may have signed", contentOf(6+uint64(i), 1), hashes[i], restored)
		l.expect(h, "what it has signed", a.GetContent(), hashes[i], restored)
		if _, err := h.Report(t.Context(), common.Hash{1}); !errors.Is(err, vote.ErrRestored) {
			t.Fatalf("it reports, having %d: %v", h.Status().Last, err)
		}
		if err := h.Adopt(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Lock(t.Context(), unlocked(a), nil); !errors.Is(err, vote.ErrRestored) {
			t.Fatalf("a lock: %v", err)
		}
	}
	if r, err := h.Report(t.Context(), common.Hash{1}); err != nil || r.GetCertificate().GetNumber() != 8 {
		t.Fatalf("it reports %v, %v", r, err)
	}
	if _, err := h.Release(t.Context(), all[3].GetCertificate(), nil); err != nil {
		t.Fatal("shares of what is final: ", err)
	}
	l.expect(h, "what it cannot have signed", contentOf(9, 0), hashes[3], vote.Granted)
	l.locks(h, all[4], nil)
}

func TestANewCommitteeStartsWithOneOfFourDown(t *testing.T) {
	l := newLone(t)
	h := l.open()
	one := l.reports(h, nil)
	if _, err := h.Restore(t.Context(), one); !errors.Is(err, vote.ErrReports) {
		t.Fatalf("one peer is no quorum with this keyholder: %v", err)
	}
	if from, err := h.Restore(t.Context(), l.reports(h, nil, nil)); err != nil || from != 5 {
		t.Fatal(from, err)
	}
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
}

func TestOneOfFourReportsIsNotEnoughOnceSomethingIsCertified(t *testing.T) {
	l := newLone(t)
	h := l.open()
	all, _ := l.chain(0, 1)
	if _, err := h.Restore(t.Context(), l.reports(h, nil, all[0].GetCertificate())); !errors.Is(err, vote.ErrReports) {
		t.Fatalf("two of four: %v", err)
	}
	if from, err := h.Restore(t.Context(), l.reports(h, nil, all[0].GetCertificate(), nil)); err != nil || from != 7 {
		t.Fatal(from, err)
	}
}

func TestAReportIsOfAPeerForThisStart(t *testing.T) {
	l := newLone(t)
	h := l.open()
	all, _ := l.chain(0, 2)
	good := l.reports(h, all[0].GetCertificate(), nil, nil)
	change := func(f func(*keyholderv1.Report)) []*keyholderv1.Report {
		return append([]*keyholderv1.Report{changed(good[0], f)}, good[1:]...)
	}
	own, err := attest.SignReport(l.Committee.Committee, l.o.Key, 3, *h.Status().Challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, reports := range map[string][]*keyholderv1.Report{
		"its own":       {own, good[1], good[2]},
		"one twice":     {good[1], good[1], good[2]},
		"a stranger's":  change(func(r *keyholderv1.Report) { r.Authority = 9 }),
		"another's":     change(func(r *keyholderv1.Report) { r.Authority = 3 }),
		"not signed":    change(func(r *keyholderv1.Report) { r.Signature = nil }),
		"an older one":  change(func(r *keyholderv1.Report) { r.Challenge[0]++ }),
		"no challenge":  change(func(r *keyholderv1.Report) { r.Challenge = nil }),
		"another cert":  change(func(r *keyholderv1.Report) { r.Certificate = all[1].GetCertificate() }),
		"a left-out":    change(func(r *keyholderv1.Report) { r.Certificate = nil }),
		"a made-up one": change(func(r *keyholderv1.Report) { r.Certificate.Attestations = r.Certificate.Attestations[:2] }),
	} {
		if _, err := h.Restore(t.Context(), reports); !errors.Is(err, attest.ErrReport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := h.Status(); st.SignsFrom != 0 {
		t.Fatalf("status %+v", st)
	}
	if from, err := h.Restore(t.Context(), good); err != nil || from != 7 {
		t.Fatal(from, err)
	}
}

// TestTheHighestCertificateIsReported after each of the ways in which a keyholder learns of one.
func TestTheHighestCertificateIsReported(t *testing.T) {
	l := newLone(t)
	h := l.open()
	all, hashes := l.chain(0, 4)
	challenge := common.Hash{7}
	reports := func(what string, want *preblockv1.Certificate) {
		t.Helper()
		r, err := h.Report(t.Context(), challenge)
		if err != nil || !proto.Equal(r.GetCertificate(), want) {
			t.Fatalf("%s: %v, %v", what, r, err)
		}
		if number, err := attest.VerifyReport(l.Committee.Committee, r, challenge); err != nil || number != want.GetNumber() || r.GetAuthority() != 3 {
			t.Fatalf("%s: %d, %v", what, number, err)
		}
	}
	reports("nothing", nil)
	h = l.again(h)
	if _, err := h.Restore(t.Context(), l.reports(h, nil, nil)); err != nil {
		t.Fatal(err)
	}
	reports("restored", nil)
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	reports("attested", nil)
	l.locks(h, all[0], nil)
	reports("locked", unlocked(all[0]))
	h = l.again(h)
	reports("locked, started again", unlocked(all[0]))
	l.expect(h, "the second", contentOf(6, 0), hashes[0], vote.Granted)
	reports("attested the next", unlocked(all[0]))
	l.expect(h, "the third", contentOf(7, 0), hashes[1], vote.Granted) // without a lock of the second
	reports("attested the next again", unlocked(all[0]))
	if err := h.Adopt(t.Context(), all[2]); err != nil {
		t.Fatal(err)
	}
	reports("adopted its own", all[2].GetCertificate())
	if err := h.Adopt(t.Context(), all[3]); err != nil {
		t.Fatal(err)
	}
	h = l.again(h)
	reports("adopted the next", all[3].GetCertificate())
}

// TestAnEmptiedLogMakesWhatWasRestoredVoid: whoever empties a part of the directory loses votes as well.
func TestAnEmptiedLogMakesWhatWasRestoredVoid(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	all, hashes := l.chain(0, 2)
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	l.locks(h, all[0], nil)
	if err := errors.Join(h.Close(), os.RemoveAll(filepath.Join(l.o.Dir, "attested"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), l.o); !errors.Is(err, ErrStorage) {
		t.Fatalf("certificates without attestations: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(l.o.Dir, "certified")); err != nil {
		t.Fatal(err)
	}
	h = l.open()
	if err := h.Adopt(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	h = l.again(h)
	l.expect(h, "the next", contentOf(6, 0), hashes[0], restored)
}

// TestARestoredKeyholderThatHeldNothingYetIsRestored: also when it is started again after others went on without it.
func TestARestoredKeyholderThatHeldNothingYetIsRestored(t *testing.T) {
	l := newLone(t)
	h := l.again(l.again(l.restored()))
	if st := h.Status(); st.SignsFrom != 5 || st.Challenge != nil {
		t.Fatalf("status %+v", st)
	}
	all, hashes := l.chain(0, 1)
	if err := h.Adopt(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	l.expect(l.again(h), "what it cannot have signed", contentOf(6, 0), hashes[0], vote.Granted)
}

func TestCrashAtAnyStepOfARestorationIsFollowedByOne(t *testing.T) {
	for _, late := range []bool{false, true} {
		for good, done := 0, false; !done; good++ {
			l := newLone(t)
			all, hashes := l.chain(0, 3)
			o := l.o
			o.FS = &crashingFS{good: good, late: late}
			if h, err := Open(t.Context(), o); err == nil {
				_, err = h.Restore(t.Context(), l.reports(h, all[0].GetCertificate(), nil, nil))
				if done = err == nil; !done && !errors.Is(h.Run(t.Context()), errDisk) {
					t.Fatalf("crash %d: it goes on after %v", good, err)
				}
				_ = h.Close()
			}
			h := l.open()
			if _, err := h.Restore(t.Context(), l.reports(h, all[0].GetCertificate(), nil, nil)); err != nil {
				t.Fatal(err)
			}
			for _, a := range all[:2] {
				l.expect(h, "too low", contentOf(a.GetContent().GetNumber(), 1), common.Hash(a.GetCertificate().GetPreviousPayloadHash()), restored)
				if err := h.Adopt(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			l.expect(h, "what it signs", contentOf(7, 0), hashes[1], vote.Granted)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
