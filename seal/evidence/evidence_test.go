package evidence_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func statement(t *testing.T, c *committeetest.Committee, by int, number uint64, tx byte) *keyholderv1.Attested {
	t.Helper()
	p := &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1, 0)), Transactions: [][]byte{{tx}},
	}
	signed, err := attest.StatementOf(c.Committee, p, common.Hash{}).Sign(c.Identities[by], uint8(by))
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

func TestWrongAnswersConvictAndRightOnesDoNot(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raw := c.Bundle([]byte("plain"))
	bundle, err := te.DecodeBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := bundle.Payload.Ciphertext.Verify()
	if err != nil {
		t.Fatal(err)
	}
	share := func(by int) []byte {
		s, err := c.Shares[by].Share(verified)
		if err != nil {
			t.Fatal(err)
		}
		point := s.Point()
		return point[:]
	}
	spoiled, err := te.DecodeBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	spoiled.Payload.Ciphertext.EncryptedKey[0]++ // the proof does not hold any more
	signed := func(answer *keyholderv1.ShareAnswer, about []byte) *keyholderv1.Evidence {
		answer.BundleHash = crypto.Keccak256(about)
		s := &keyholderv1.SignedShares{Authority: 1, Number: 7, PayloadHash: make([]byte, 32), Answers: []*keyholderv1.ShareAnswer{answer}}
		if err := attest.SignShares(c.Committee, c.Identities[1], s); err != nil {
			t.Fatal(err)
		}
		return evidence.WrongShare(c.Committee, s, 0, about)
	}
	for name, e := range map[string]*keyholderv1.Evidence{
		"another's share": signed(&keyholderv1.ShareAnswer{Share: share(2)}, raw),
		"no point":        signed(&keyholderv1.ShareAnswer{Share: bytes.Repeat([]byte{1}, 48)}, raw),
		"a false refusal": signed(&keyholderv1.ShareAnswer{Refusal: outcome.BadCiphertext}, raw),
	} {
		if err := evidence.Verify(c.Committee, e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		forged := proto.CloneOf(e)
		forged.Authority, forged.GetWrongShare().Shares.Authority = 0, 0
		if err := evidence.Verify(c.Committee, forged); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s, another is blamed: %v", name, err)
		}
	}
	moved := signed(&keyholderv1.ShareAnswer{Share: share(2)}, raw)
	moved.GetWrongShare().Bundle = c.Bundle([]byte("other"))
	beyond := signed(&keyholderv1.ShareAnswer{Share: share(2)}, raw)
	beyond.GetWrongShare().Position = 1
	for name, e := range map[string]*keyholderv1.Evidence{
		"the right share":        signed(&keyholderv1.ShareAnswer{Share: share(1)}, raw),
		"a right refusal":        signed(&keyholderv1.ShareAnswer{Refusal: outcome.BadCiphertext}, spoiled.Encode()),
		"a refusal that may be":  signed(&keyholderv1.ShareAnswer{Refusal: outcome.AlreadyOrdered}, raw),
		"about another bundle":   moved,
		"about no answer of its": beyond,
	} {
		if err := evidence.Verify(c.Committee, e); !errors.Is(err, evidence.ErrNoProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
