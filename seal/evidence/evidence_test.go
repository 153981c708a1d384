package evidence_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func statement(t *testing.T, c *committeetest.Committee, by int, number uint64, tx byte) *keyholderv1.Attested {
	t.Helper()
	p := &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1, 0)), Transactions: [][]byte{{tx}},
	}
	signed, err := attest.StatementOf(c.Committee, p, common.Hash{}).Sign(c.Identities[by], uint8(by), 0)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestTwoStatementsForOneNumberConvictTheirSigner(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	first := statement(t, c, 1, 7, 1)
	if err := evidence.Verify(c.Committee, evidence.Equivocation(c.Committee, first, statement(t, c, 1, 7, 2))); err != nil {
		t.Fatal(err)
	}
	blamed := evidence.Equivocation(c.Committee, first, statement(t, c, 1, 7, 2))
	blamed.Authority = 0
	for name, e := range map[string]*keyholderv1.Evidence{
		"the same twice":     evidence.Equivocation(c.Committee, first, first),
		"two numbers":        evidence.Equivocation(c.Committee, first, statement(t, c, 1, 8, 1)),
		"two signers":        evidence.Equivocation(c.Committee, first, statement(t, c, 2, 7, 2)),
		"another is blamed":  blamed,
		"another committee":  evidence.Equivocation(committeetest.New(t, 4, 3, 1).Committee, first, statement(t, c, 1, 7, 2)),
		"nothing":            {},
		"one statement only": evidence.Equivocation(c.Committee, first, nil),
	} {
		if err := evidence.Verify(c.Committee, e); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answers are signed shares of authority 1 for number 7.
func answers(t *testing.T, c *committeetest.Committee, list ...*keyholderv1.ShareAnswer) *keyholderv1.SignedShares {
	t.Helper()
	s := &keyholderv1.SignedShares{Authority: 1, Number: 7, PayloadHash: make([]byte, 32), Answers: list}
	if err := attest.SignShares(c.Committee, c.Identities[1], s); err != nil {
		t.Fatal(err)
	}
	return s
}

// share is a keyholder's answer about a sealed transaction, with its proof.
func share(t *testing.T, c *committeetest.Committee, by int, raw []byte) *keyholderv1.ShareAnswer {
	t.Helper()
	checked := c.Checked(raw)
	s, proof, err := c.Secrets[by].ShareWithProof(checked)
	if err != nil {
		t.Fatal(err)
	}
	id := checked.Sealed().ID()
	return &keyholderv1.ShareAnswer{Index: 2, Id: id[:], Share: s.Point[:], Proof: proof[:]}
}

func TestAShareWhoseProofFailsConvictsAndARightOneDoesNot(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raw, other := c.Sealed([]byte("plain")), c.Sealed([]byte("other"))
	signed := func(change func(*keyholderv1.ShareAnswer), about []byte) *keyholderv1.Evidence {
		a := share(t, c, 1, raw)
		change(a)
		return evidence.WrongShare(c.Committee, answers(t, c, a), 0, about)
	}
	for name, e := range map[string]*keyholderv1.Evidence{
		"another's share": signed(func(a *keyholderv1.ShareAnswer) { a.Share = share(t, c, 2, raw).Share }, raw),
		"a wrong proof":   signed(func(a *keyholderv1.ShareAnswer) { a.Proof[70]++ }, raw),
		"no point":        signed(func(a *keyholderv1.ShareAnswer) { a.Share = bytes.Repeat([]byte{0xff}, 32) }, raw),
		"a short share":   signed(func(a *keyholderv1.ShareAnswer) { a.Share = []byte{1} }, raw),
	} {
		if err := evidence.Verify(c.Committee, e); err != nil || evidence.Kind(e) != evidence.KindWrongShare {
			t.Errorf("%s: %v", name, err)
		}
		forged := proto.CloneOf(e)
		forged.Authority, forged.GetWrongShare().Shares.Authority = 0, 0
		if err := evidence.Verify(c.Committee, forged); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s, another is blamed: %v", name, err)
		}
	}
	same := func(*keyholderv1.ShareAnswer) {}
	beyond := signed(same, raw)
	beyond.GetWrongShare().Position = 1
	for name, e := range map[string]*keyholderv1.Evidence{
		"the right share":                signed(same, raw),
		"a right share, another's bytes": signed(same, other),
		"a bare share":                   signed(func(a *keyholderv1.ShareAnswer) { a.Share, a.Proof = share(t, c, 2, raw).Share, nil }, raw),
		"no sealed transaction":          signed(same, []byte{seal.Type}),
		"about no answer of its":         beyond,
	} {
		if err := evidence.Verify(c.Committee, e); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoDifferentSharesConvict(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raw := c.Sealed([]byte("plain"))
	right, bare, wrong := share(t, c, 1, raw), share(t, c, 1, raw), share(t, c, 2, raw)
	bare.Proof, wrong.Proof = nil, nil
	e := evidence.TwoShares(c.Committee, answers(t, c, wrong), answers(t, c, right), 2)
	if err := evidence.Verify(c.Committee, e); err != nil || evidence.Kind(e) != evidence.KindTwoShares {
		t.Fatal(err)
	}
	blamed := proto.CloneOf(e)
	blamed.Authority = 0
	for name, e := range map[string]*keyholderv1.Evidence{
		"the same share, bare and proven": evidence.TwoShares(c.Committee, answers(t, c, bare), answers(t, c, right), 2),
		"of two sealed transactions":      evidence.TwoShares(c.Committee, answers(t, c, right), answers(t, c, share(t, c, 1, c.Sealed([]byte("x")))), 2),
		"another index":                   evidence.TwoShares(c.Committee, answers(t, c, wrong), answers(t, c, right), 3),
		"another is blamed":               blamed,
		"one only":                        evidence.TwoShares(c.Committee, answers(t, c, wrong), nil, 2),
	} {
		if err := evidence.Verify(c.Committee, e); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
