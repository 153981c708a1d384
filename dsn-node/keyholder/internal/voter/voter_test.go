package voter

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestOneContentIsAttestedForANumberEachAfterTheOneBefore(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	first := attest.StatementOf(l.Committee.Committee, contentOf(5, 0), common.Hash{})
	second := attest.StatementOf(l.Committee.Committee, contentOf(6, 0), first.Hash())
	check := func(what string, c *preblockv1.Content, previous common.Hash, refusal keyholderv1.AttestRefusal, shown attest.Statement) {
		t.Helper()
		a := l.expect(h, what, c, previous, refusal)
		if shown == (attest.Statement{}) {
			if a.Attested != nil {
				t.Errorf("%s: shows %v", what, a.Attested)
			}
		} else if got, err := attest.Read(l.Committee.Committee, a.Attested); err != nil || got != shown {
			t.Errorf("%s: shows %v, %v", what, got, err)
		}
	}
	check("before the first", contentOf(4, 0), common.Hash{}, restored, attest.Statement{})
	check("after the first", contentOf(6, 0), common.Hash{}, notNext, attest.Statement{})
	check("a predecessor of the first", contentOf(5, 0), common.Hash{1}, otherPrevious, attest.Statement{})
	check("the first", contentOf(5, 0), common.Hash{}, vote.Granted, first)
	check("again", contentOf(5, 0), common.Hash{}, vote.Granted, first)
	check("another content", contentOf(5, 1), common.Hash{}, otherContent, first)
	check("another predecessor", contentOf(5, 0), common.Hash{1}, otherContent, first)
	check("a number skipped", contentOf(7, 0), first.Hash(), notNext, first)
	check("after another", contentOf(6, 0), common.Hash{}, otherPrevious, first)
	check("the second, before the first is final", contentOf(6, 0), first.Hash(), notFinal, first)
	l.certify(contentOf(5, 0), common.Hash{})
	check("the second", contentOf(6, 0), first.Hash(), vote.Granted, second)
	check("the first again", contentOf(5, 0), common.Hash{}, vote.Granted, first)
	if st := h.Status(); st.Last != 6 || st.Payload != second.Hash() || st.SignsFrom != 5 || st.Challenge != nil {
		t.Errorf("status %+v", st)
	}
	if _, err := l.attest(h, &preblockv1.Content{Number: 7}, common.Hash{}); !errors.Is(err, content.ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
	for number, want := range map[uint64]error{4: ErrBeforeFirst, 7: vote.ErrNotHeld, 5: nil} {
		if _, err := h.Attested(number); !errors.Is(err, want) {
			t.Errorf("attested %d: %v", number, err)
		}
	}
}

// TestANumberIsAttestedOnlyOnceTheOneBeforeIsFinal: with a certificate alone another content could still become final there.
func TestANumberIsAttestedOnlyOnceTheOneBeforeIsFinal(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	final, hash := l.certify(contentOf(5, 0), common.Hash{})
	other, _ := l.certify(contentOf(5, 1), common.Hash{})
	next := l.proposal(contentOf(6, 0), hash)
	for name, c := range map[string]struct {
		finality *preblockv1.Certificate
		want     error
	}{
		"without locks": {unlocked(final), attest.ErrCertificate},
		"too few locks": {changed(final.GetCertificate(), func(c *preblockv1.Certificate) { c.Locks = c.Locks[1:] }), attest.ErrCertificate},
		"attestations as locks": {
			changed(final.GetCertificate(), func(c *preblockv1.Certificate) { c.Locks = c.Attestations }), attest.ErrCertificate,
		},
		"a wrong lock":    {changed(final.GetCertificate(), func(c *preblockv1.Certificate) { c.Locks[1].Signature[9]++ }), attest.ErrCertificate},
		"another content": {other.GetCertificate(), vote.ErrOtherOrder},
		"another's":       {changed(final.GetCertificate(), func(c *preblockv1.Certificate) { c.CommitteeHash[0]++ }), ErrOtherCommittee},
	} {
		next.Finality = c.finality
		if _, err := h.Attest(t.Context(), next); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	next.Finality = nil
	for what := range map[string]bool{"nothing shown": true, "after a lock": true} {
		if a, err := h.Attest(t.Context(), next); err != nil || a.Refusal != notFinal || a.Attested.GetNumber() != 5 {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
		if _, err := h.Lock(t.Context(), unlocked(final), nil); err != nil {
			t.Fatal(err)
		}
	}
	h = l.again(h)
	if a, err := h.Attest(t.Context(), next); err != nil || a.Refusal != notFinal {
		t.Errorf("after a lock and a restart: %+v, %v", a, err)
	}
	if _, err := h.Release(t.Context(), final.GetCertificate(), nil); err != nil { // which shows that it is final
		t.Fatal(err)
	}
	if a, err := h.Attest(t.Context(), next); err != nil || a.Refusal != vote.Granted {
		t.Errorf("after it has seen that: %+v, %v", a, err)
	}
}

// TestAStrangersProposalIsRefusedAndBindsNothing: otherwise anybody who reaches keyholders could split them for ever.
func TestAStrangersProposalIsRefusedAndBindsNothing(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	sign := func(key *ecdsa.PrivateKey, view uint64) []byte {
		signature, err := attest.StatementOf(l.Committee.Committee, contentOf(5, 1), common.Hash{}).Propose(key, view)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	for name, c := range map[string]struct {
		p    Proposal
		want error
	}{
		"nobody's":          {Proposal{Content: contentOf(5, 1)}, attest.ErrProposal},
		"a keyholder's":     {Proposal{Content: contentOf(5, 1), Signature: sign(l.Identities[0], 0)}, attest.ErrProposal},
		"its own":           {Proposal{Content: contentOf(5, 1), Signature: sign(l.Identities[3], 0)}, attest.ErrProposal},
		"another content's": {Proposal{Content: contentOf(5, 2), Signature: sign(l.Sequencer, 0)}, attest.ErrProposal},
		"another view's":    {Proposal{Content: contentOf(5, 1), Signature: sign(l.Sequencer, 1)}, attest.ErrProposal},
		"of a view to come": {Proposal{Content: contentOf(5, 1), View: 1, Signature: sign(l.Sequencer, 1)}, attest.ErrViewChange},
	} {
		if a, err := h.Attest(t.Context(), c.p); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	l.expect(h, "the owner's", contentOf(5, 0), common.Hash{}, vote.Granted)
	if _, err := h.Attest(t.Context(), Proposal{Content: contentOf(5, 0)}); !errors.Is(err, attest.ErrProposal) {
		t.Errorf("nobody's, of what was attested: %v", err)
	}
}

func TestTimestampsDoNotGoBackNorFarAheadOfTheClock(t *testing.T) {
	l := newLone(t)
	now := began
	l.o.Now = func() time.Time { return now }
	h := l.restored()
	at := func(number uint64, after time.Duration) *preblockv1.Content {
		c := contentOf(number, 0)
		c.Timestamp = timestamppb.New(began.Add(after))
		return c
	}
	if _, err := l.attest(h, at(5, 16*time.Second), common.Hash{}); !errors.Is(err, rules.ErrClock) || errors.Is(err, rules.ErrContent) {
		t.Fatalf("ahead of the clock: %v", err)
	}
	now = began.Add(time.Second)
	l.expect(h, "later", at(5, 16*time.Second), common.Hash{}, vote.Granted)
	now = began.Add(-time.Hour)
	l.expect(h, "again, whatever the clock says now", at(5, 16*time.Second), common.Hash{}, vote.Granted)
	_, hash := l.certify(at(5, 16*time.Second), common.Hash{})
	now = began.Add(time.Hour)
	for range 2 { // also after a restart
		if _, err := l.attest(h, at(6, 15*time.Second), hash); !errors.Is(err, rules.ErrTimestamp) || !errors.Is(err, rules.ErrContent) {
			t.Fatalf("before the content before: %v", err)
		}
		h = l.again(h)
	}
	l.expect(h, "as late", at(6, 16*time.Second), hash, vote.Granted)
	certified, _ := l.certify(at(6, 24*time.Hour), hash)
	if err := h.Adopt(t.Context(), certified); err != nil {
		t.Fatalf("clocks are for attestations only: %v", err)
	}
}

func TestKeysAndDirectoryMustBeOfTheCommittee(t *testing.T) {
	l, other := newLone(t), newLone(t)
	h := l.restored()
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	moved := other.o
	moved.Dir = l.o.Dir
	if _, err := Open(t.Context(), moved); !errors.Is(err, ErrOtherCommittee) {
		t.Errorf("another committee's directory: %v", err)
	}
	wrongKey, wrongShare := l.o, l.o
	wrongKey.Key, wrongShare.Share = other.o.Key, other.o.Share
	for _, bad := range []Options{wrongKey, wrongShare} {
		if _, err := Open(t.Context(), bad); !errors.Is(err, ErrKeys) {
			t.Errorf("another's key: %v", err)
		}
	}
	l.open()
}

// crashingFS does some operations for real and fails the one after them and all later ones; `late` lets the failing one
// happen and be reported as failed, as a crash after it would.
type crashingFS struct {
	good int
	late bool
}

var errDisk = errors.New("input/output error")

func (f *crashingFS) do(operation func() error) error {
	f.good--
	if f.good < 0 {
		if f.late && f.good == -1 {
			_ = operation()
		}
		return errDisk
	}
	return operation()
}

func (f *crashingFS) open(path string, flag int) (wal.File, error) {
	file, err := os.OpenFile(path, flag, 0o600)
	return crashingFile{file, f}, err
}

func (f *crashingFS) Create(path string) (wal.File, error) {
	return f.open(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
}
func (f *crashingFS) Open(path string) (wal.File, error) { return f.open(path, os.O_WRONLY) }
func (f *crashingFS) Rename(from, to string) error {
	return f.do(func() error { return os.Rename(from, to) })
}
func (f *crashingFS) SyncDir(string) error { return f.do(func() error { return nil }) }

type crashingFile struct {
	*os.File
	fs *crashingFS
}

func (f crashingFile) Sync() error { return f.fs.do(func() error { return nil }) }
func (f crashingFile) Truncate(n int64) error {
	return f.fs.do(func() error { return f.File.Truncate(n) })
}
func (f crashingFile) WriteAt(b []byte, at int64) (int, error) {
	return len(b), f.fs.do(func() error { _, err := f.File.WriteAt(b, at); return err })
}

// TestCrashAtAnyStepNeverLetsASecondContentBeSigned crashes at every operation of the disk; whatever had been answered before
// must be answered after, and another content refused.
func TestCrashAtAnyStepNeverLetsASecondContentBeSigned(t *testing.T) {
	const last = 7
	for _, late := range []bool{false, true} {
		for good := 0; ; good++ {
			l := newLone(t)
			all, hashes := l.chain(0, last-4)
			previous := func(n uint64) common.Hash { return append([]common.Hash{{}}, hashes...)[n-5] }
			l.o.FS = &crashingFS{good: good, late: late}
			given := map[uint64]string{}
			h, err := Open(t.Context(), l.o)
			if err == nil {
				_, err = h.Restore(t.Context(), l.reports(h, nil, nil))
			}
			for n := uint64(5); n <= last && err == nil; n++ {
				var a Answer
				if a, err = l.attest(h, contentOf(n, 0), previous(n)); err != nil {
					break
				}
				given[n] = a.Attested.String()
				var lock *preblockv1.Attestation
				if lock, err = h.Lock(t.Context(), unlocked(all[n-5]), nil); err == nil {
					given[100+n] = lock.String()
				}
			}
			if err != nil && h != nil && (!errors.Is(err, ErrStorage) || !errors.Is(h.Run(t.Context()), errDisk)) || err != nil && !errors.Is(err, errDisk) {
				t.Fatalf("crash %d: %v", good, err)
			}
			if h != nil {
				_ = h.Close()
			}
			l.o.FS = nil
			h = l.open()
			for n := uint64(5); given[n] != ""; n++ {
				if a := l.expect(h, "another content", contentOf(n, 1), previous(n), otherContent); a.Attested.String() != given[n] {
					t.Fatalf("crash %d: another content for %d: %+v", good, n, a)
				}
				lock, err := h.Lock(t.Context(), unlocked(all[n-5]), nil)
				if err != nil || given[100+n] != "" && lock.String() != given[100+n] {
					t.Fatalf("crash %d: another lock for %d: %v, %v", good, n, lock, err)
				}
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			if given[100+last] != "" {
				break
			}
		}
	}
}

func TestSharesAreGivenForWhatIsFinalHere(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	c := contentOf(5, 0)
	raws := [][]byte{l.Sealed([]byte("one")), l.Sealed([]byte("two")), l.Garbage(seal.ErrPadding)}
	c.Transactions = append(slices.Clone(raws), c.GetTransactions()...)
	adopted, _ := l.certify(c, common.Hash{})
	final := adopted.GetCertificate()
	if _, err := h.Release(t.Context(), final, nil); !errors.Is(err, vote.ErrNotHeld) {
		t.Fatalf("before it was attested: %v", err)
	}
	l.expect(h, "it", c, common.Hash{}, vote.Granted)
	otherOne, _ := l.certify(contentOf(5, 3), common.Hash{})
	if _, err := h.Release(t.Context(), otherOne.GetCertificate(), nil); !errors.Is(err, vote.ErrOtherOrder) {
		t.Fatalf("another content: %v", err)
	}
	refused := map[string]*preblockv1.Certificate{
		"none":           nil,
		"without locks":  unlocked(adopted),
		"too few locks":  changed(final, func(c *preblockv1.Certificate) { c.Locks = c.Locks[:2] }),
		"a wrong lock":   changed(final, func(c *preblockv1.Certificate) { c.Locks[0].Signature[20]++ }),
		"one lock twice": changed(final, func(c *preblockv1.Certificate) { c.Locks[1] = c.Locks[0] }),
	}
	for name, cert := range refused {
		for _, proven := range [][]uint32{nil, {0}} {
			if _, err := h.Release(t.Context(), cert, proven); !errors.Is(err, attest.ErrCertificate) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	other := changed(final, func(c *preblockv1.Certificate) { c.CommitteeHash = make([]byte, 32) })
	if _, err := h.Release(t.Context(), other, []uint32{0}); !errors.Is(err, ErrOtherCommittee) {
		t.Fatalf("another committee: %v", err)
	}
	for _, indexes := range [][]uint32{{3}, {4}, {1, 0}, {1, 1}, {0, 3}} {
		if _, err := h.Release(t.Context(), final, indexes); !errors.Is(err, ErrIndex) {
			t.Errorf("indexes %v: %v", indexes, err)
		}
	}
	for range 2 { // a repeat gets the same
		s, err := h.Release(t.Context(), final, nil)
		if err != nil || attest.VerifyShares(l.Committee.Committee, s) != nil {
			t.Fatal(err, attest.VerifyShares(l.Committee.Committee, s))
		}
		for i, raw := range raws {
			want, err := l.o.Share.Share(l.Checked(raw))
			if a := s.GetAnswers()[i]; err != nil || !bytes.Equal(a.GetShare(), want.Point[:]) || a.GetIndex() != uint32(i) || a.GetProof() != nil {
				t.Fatalf("share %d is %v, %v", i, a, err)
			}
		}
	}
	for name, cert := range refused { // what was verified before makes nothing else right
		if _, err := h.Release(t.Context(), cert, nil); !errors.Is(err, attest.ErrCertificate) {
			t.Fatalf("%s, once it is final: %v", name, err)
		}
	}
	s, err := h.Release(t.Context(), final, []uint32{0, 2})
	if err != nil || attest.VerifyShares(l.Committee.Committee, s) != nil || len(s.GetAnswers()) != 2 {
		t.Fatal(s, err)
	}
	for i, index := range []uint32{0, 2} {
		a := s.GetAnswers()[i]
		proof := seal.ShareProof(a.GetProof())
		share := seal.Share{Authority: l.o.Share.Authority(), Point: seal.Point(a.GetShare())}
		if err := l.Keys.VerifyShare(l.Checked(raws[index]), share, &proof); err != nil || a.GetIndex() != index {
			t.Fatalf("proof of index %d: %v", index, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, indexes := range [][]uint32{nil, {0}} {
		if _, err := h.Release(t.Context(), final, indexes); !errors.Is(err, ErrClosed) {
			t.Fatalf("shares after the end: %v", err)
		}
	}
}

func TestAContentThatBreaksARuleIsNeverSigned(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	with := func(number uint64, txs ...[]byte) *preblockv1.Content {
		c := contentOf(number, 0)
		c.Transactions, c.BaseFee = txs, 7
		return c
	}
	sealed := func(seq uint64, change ...func(*seal.Header)) []byte {
		return l.SealedBy(key, seq, []byte("a"), append([]func(*seal.Header){func(h *seal.Header) { h.Fee = 7 }}, change...)...)
	}
	first := with(5, sealed(0), []byte{1})
	l.expect(h, "the first", first, common.Hash{}, vote.Granted)
	_, previous := l.certify(first, common.Hash{})
	for range 2 { // also after a restart
		for name, c := range map[string]struct {
			txs  [][]byte
			want error
		}{
			"a seq again":    {[][]byte{sealed(0)}, rules.ErrSeq},
			"a seq left out": {[][]byte{sealed(2)}, rules.ErrSeq},
			"the same bytes": {first.GetTransactions()[:1], rules.ErrSeq},
			"after a plain":  {[][]byte{{1}, sealed(1)}, rules.ErrPlace},
			"no proof":       {[][]byte{damaged(sealed(1))}, seal.ErrProof},
			"not sealed":     {[][]byte{{seal.Type, 1, 2}}, seal.ErrEncoding},
			"expired":        {[][]byte{sealed(1, func(h *seal.Header) { h.Expiry = 5 })}, rules.ErrExpiry},
			"too much gas":   {[][]byte{sealed(1, func(h *seal.Header) { h.Gas = 1 << 50 })}, rules.ErrGas},
			"too low a fee":  {[][]byte{sealed(1, func(h *seal.Header) { h.Fee = 6 })}, rules.ErrFee},
		} {
			if _, err := l.attest(h, with(6, c.txs...), previous); !errors.Is(err, rules.ErrContent) || !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if st := h.Status(); st.Last != 5 {
			t.Fatalf("last %d", st.Last)
		}
		h = l.again(h)
	}
	l.expect(h, "the next", with(6, sealed(1), sealed(2)), previous, vote.Granted)
	l.expect(h, "what was signed, whatever the rules say of it now", first, common.Hash{}, vote.Granted)
}

// damaged is a sealed transaction with another byte in its payload.
func damaged(raw []byte) []byte {
	raw[len(raw)/2]++
	return raw
}
