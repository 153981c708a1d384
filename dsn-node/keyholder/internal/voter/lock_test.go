package voter

import (
	"errors"
	"testing"

	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

func (l *lone) locks(h *Voter, a *keyholderv1.Adopted, c *preblockv1.Content) *preblockv1.Attestation {
	l.t.Helper()
	lock, err := h.Lock(l.t.Context(), unlocked(a), c)
	if err != nil {
		l.t.Fatal(err)
	}
	s := attest.StatementOf(l.Committee.Committee, a.GetContent(), common.Hash(a.GetCertificate().GetPreviousPayloadHash()))
	if err := attest.VerifyLock(l.Committee.Committee, s, 0, lock); err != nil || lock.GetAuthority() != 3 {
		l.t.Fatalf("%v, %v", lock, err)
	}
	return lock
}

// TestACertificateIsLockedForEver: the same lock again, also after a restart, and none over anything else.
func TestACertificateIsLockedForEver(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	all, hashes := l.chain(0, 2)
	other, _ := l.certify(contentOf(5, 1), common.Hash{})
	if _, err := h.Lock(t.Context(), unlocked(all[0]), all[0].GetContent()); !errors.Is(err, vote.ErrNotHeld) {
		t.Fatalf("not attested: %v", err)
	}
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	lock := l.locks(h, all[0], nil)
	for i := range 4 {
		switch i {
		case 1, 3:
			h = l.again(h)
		case 2:
			l.expect(h, "the second", contentOf(6, 0), hashes[0], vote.Granted)
		}
		if again := l.locks(h, all[0], nil); !proto.Equal(again, lock) {
			t.Fatalf("it locks again with %v, not %v", again, lock)
		}
		if _, err := h.Lock(t.Context(), unlocked(other), other.GetContent()); !errors.Is(err, vote.ErrContradiction) {
			t.Fatalf("another content: %v", err)
		}
		got, err := h.Attested(5)
		if want := unlocked(all[0]); err != nil || got.GetAdopted().GetContent() != nil ||
			!proto.Equal(attest.Final(got.GetAdopted().GetCertificate(), nil), want) {
			t.Fatalf("it tells of number 5: %v, %v", got, err)
		}
	}
}

// TestAnotherCertifiedContentIsLocked although this keyholder attested something else: it is followed from there.
func TestAnotherCertifiedContentIsLocked(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := l.restored()
	mine := l.expect(h, "its own", given, common.Hash{}, vote.Granted)
	a, _ := l.certify(certified, common.Hash{})
	if _, err := h.Lock(t.Context(), unlocked(a), nil); !errors.Is(err, ErrContentMissing) {
		t.Fatalf("without its content: %v", err)
	}
	lock := l.locks(h, a, certified)
	h = l.again(h)
	if again := l.locks(h, a, nil); !proto.Equal(again, lock) {
		t.Fatalf("it locks again with %v", again)
	}
	if again := l.expect(h, "its own", given, common.Hash{}, vote.Granted); !proto.Equal(again.Attested, mine.Attested) {
		t.Fatalf("it shows %v", again)
	}
	asked := l.expect(h, "what it locked", certified, common.Hash{}, otherContent)
	if !proto.Equal(asked.Attested, mine.Attested) || !proto.Equal(asked.Certificate, unlocked(a)) {
		t.Fatalf("it shows %v", asked)
	}
	if _, err := h.Release(t.Context(), unlocked(a), nil); !errors.Is(err, attest.ErrCertificate) {
		t.Fatalf("shares for what is locked only here: %v", err)
	}
	l.continues(h, certified, next, other)
}

func TestOnlyAQuorumsCertificateIsLocked(t *testing.T) {
	l, other := newLone(t), newLone(t)
	h := l.restored()
	l.expect(h, "the first", contentOf(5, 0), common.Hash{}, vote.Granted)
	a, _ := l.certify(contentOf(5, 0), common.Hash{})
	foreign, _ := other.certify(contentOf(5, 0), common.Hash{})
	elsewhere, _ := l.certify(contentOf(5, 1), common.Hash{9})
	cert := func(change func(*preblockv1.Certificate)) *preblockv1.Certificate {
		return changed(unlocked(a), change)
	}
	for name, c := range map[string]struct {
		cert    *preblockv1.Certificate
		content *preblockv1.Content
		want    error
	}{
		"none":                {nil, nil, attest.ErrCertificate},
		"no quorum":           {cert(func(c *preblockv1.Certificate) { c.Attestations = c.Attestations[1:] }), nil, attest.ErrCertificate},
		"locks alone":         {cert(func(c *preblockv1.Certificate) { c.Attestations = a.GetCertificate().GetLocks() }), nil, attest.ErrCertificate},
		"a bad signature":     {cert(func(c *preblockv1.Certificate) { c.Attestations[0].Signature[30]++ }), nil, attest.ErrCertificate},
		"another content":     {cert(func(c *preblockv1.Certificate) {}), contentOf(5, 1), attest.ErrCertificate},
		"another committee":   {foreign.GetCertificate(), nil, ErrOtherCommittee},
		"a view it is not of": {cert(func(c *preblockv1.Certificate) { c.View = 1 }), nil, attest.ErrCertificate},
		"another predecessor": {unlocked(elsewhere), elsewhere.GetContent(), vote.ErrContradiction},
	} {
		if _, err := h.Lock(t.Context(), c.cert, c.content); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if got, err := h.Attested(5); err != nil || got.GetAdopted() != nil {
		t.Errorf("it tells of number 5: %v, %v", got, err)
	}
	l.locks(h, a, nil)
	for name, change := range map[string]func(*preblockv1.Certificate){ // what was verified before makes nothing else right
		"another content's":     func(c *preblockv1.Certificate) { c.ContentHash[0]++ },
		"another predecessor's": func(c *preblockv1.Certificate) { c.PreviousPayloadHash[0]++ },
		"another number's":      func(c *preblockv1.Certificate) { c.Number++ },
		"another chain's":       func(c *preblockv1.Certificate) { c.ChainId++ },
		"with a bad signature":  func(c *preblockv1.Certificate) { c.Attestations[0].Signature[30]++ },
		"with another's":        func(c *preblockv1.Certificate) { c.Attestations[2].Authority++ },
	} {
		if _, err := h.Lock(t.Context(), cert(change), nil); !errors.Is(err, attest.ErrCertificate) {
			t.Errorf("%s, after it was locked: %v", name, err)
		}
	}
}

// With the attestations of others, a certificate is made here; what makes none does not keep it from attesting.
func TestWithTheAttestationsOfOthersAKeyholderLocksAtOnce(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	all, hashes := l.chain(0, 2)
	of := func(i int) []*preblockv1.Attestation { return all[i].GetCertificate().GetAttestations() }
	ask := func(i int, previous common.Hash, others []*preblockv1.Attestation) Answer {
		t.Helper()
		p := l.proposal(all[i].GetContent(), previous)
		p.Others = others
		a, err := h.Attest(t.Context(), p)
		if err != nil || a.Refusal != vote.Granted || a.Attested == nil {
			t.Fatalf("%v, %v", a, err)
		}
		return a
	}
	for name, others := range map[string][]*preblockv1.Attestation{
		"too few": of(0)[:1], "of another content": of(1)[:2], "twice the same": {of(0)[0], of(0)[0]},
	} {
		if a := ask(0, common.Hash{}, others); a.Lock != nil {
			t.Errorf("%s: it locks: %v", name, a.Lock)
		}
	}
	if got, err := h.Attested(5); err != nil || got.GetAdopted() != nil {
		t.Fatalf("before it could lock: %v, %v", got, err)
	}
	a := ask(0, common.Hash{}, of(0)[:2])
	if err := attest.VerifyLock(l.Committee.Committee, attest.StatementOf(l.Committee.Committee, all[0].GetContent(), common.Hash{}), 0, a.Lock); err != nil {
		t.Fatal(err)
	}
	h = l.again(h)
	got, err := h.Attested(5)
	if s, wrong := attest.Verify(l.Committee.Committee, got.GetAdopted().GetCertificate()); err != nil || wrong != nil || s.Hash() != hashes[0] {
		t.Errorf("after a restart it holds %v, %v, %v", got, err, wrong)
	}
	if again := ask(0, common.Hash{}, of(0)[:2]); !proto.Equal(again.Lock, a.Lock) {
		t.Errorf("again: %v", again)
	}
	other, _ := l.certify(contentOf(5, 1), common.Hash{})
	if _, err := h.Lock(t.Context(), unlocked(other), other.GetContent()); !errors.Is(err, vote.ErrContradiction) {
		t.Errorf("another content: %v", err)
	}
	if next := ask(1, hashes[0], of(1)[:2]); next.Lock == nil {
		t.Error("the next number is not locked at once")
	}
}
