// Package evidence is what convicts a keyholder: records made of its own signatures, which anyone who has the committee's
// file can check.
//
// It guarantees that Verify accepts a record only if the named keyholder signed something that an honest one never signs.
// Nobody else can make such a record: not the sequencer, and not the other keyholders together.
package evidence

import (
	"bytes"
	"errors"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrNoProof says that a record convicts nobody.
var ErrNoProof = errors.New("evidence proves nothing")

// Kinds of evidence, as in metrics and logs.
const (
	KindEquivocation = "equivocation"
	KindWrongShare   = "wrong_share"
)

// Kind names the kind of a record, "" for one without a proof.
func Kind(e *keyholderv1.Evidence) string {
	switch e.GetProof().(type) {
	case *keyholderv1.Evidence_Equivocation:
		return KindEquivocation
	case *keyholderv1.Evidence_WrongShare:
		return KindWrongShare
	}
	return ""
}

// Equivocation is the record of two statements for one number.
func Equivocation(c *committee.Committee, first, second *keyholderv1.Attested) *keyholderv1.Evidence {
	hash := c.Hash()
	return &keyholderv1.Evidence{
		CommitteeHash: hash[:], Authority: first.GetAttestation().GetAuthority(), Number: first.GetNumber(),
		Proof: &keyholderv1.Evidence_Equivocation{Equivocation: &keyholderv1.Equivocation{First: first, Second: second}},
	}
}

// WrongShare is the record of a wrong answer at a position of signed ones, about a bundle.
func WrongShare(c *committee.Committee, s *keyholderv1.SignedShares, position int, bundle []byte) *keyholderv1.Evidence {
	hash := c.Hash()
	return &keyholderv1.Evidence{
		CommitteeHash: hash[:], Authority: s.GetAuthority(), Number: s.GetNumber(),
		Proof: &keyholderv1.Evidence_WrongShare{WrongShare: &keyholderv1.WrongShare{Shares: s, Position: uint32(position), Bundle: bundle}},
	}
}

// Verify checks that a record convicts the keyholder it names.
func Verify(c *committee.Committee, e *keyholderv1.Evidence) error {
	if b := e.GetCommitteeHash(); len(b) != 32 || common.Hash(b) != c.Hash() {
		return fmt.Errorf("verify evidence: %w: it is about another committee", ErrNoProof)
	}
	var err error
	switch proof := e.GetProof().(type) {
	case *keyholderv1.Evidence_Equivocation:
		err = verifyEquivocation(c, e, proof.Equivocation)
	case *keyholderv1.Evidence_WrongShare:
		err = verifyWrongShare(c, e, proof.WrongShare)
	default:
		err = errors.New("of an unknown kind")
	}
	if err != nil {
		return fmt.Errorf("verify evidence against authority %d at number %d: %w: %w", e.GetAuthority(), e.GetNumber(), ErrNoProof, err)
	}
	return nil
}

func verifyEquivocation(c *committee.Committee, e *keyholderv1.Evidence, p *keyholderv1.Equivocation) error {
	var statements [2]attest.Statement
	for i, a := range []*keyholderv1.Attested{p.GetFirst(), p.GetSecond()} {
		var err error
		if statements[i], err = attest.Read(c, a); err != nil {
			return err
		}
		if a.GetAttestation().GetAuthority() != e.GetAuthority() || a.GetNumber() != e.GetNumber() {
			return errors.New("a statement of another authority or number")
		}
	}
	if statements[0] == statements[1] {
		return errors.New("the two statements are one")
	}
	return nil
}

func verifyWrongShare(c *committee.Committee, e *keyholderv1.Evidence, p *keyholderv1.WrongShare) error {
	s := p.GetShares()
	if s.GetAuthority() != e.GetAuthority() || s.GetNumber() != e.GetNumber() {
		return errors.New("answers of another authority or number")
	}
	if err := attest.VerifyShares(c, s); err != nil {
		return err
	}
	if uint64(p.GetPosition()) >= uint64(len(s.GetAnswers())) {
		return errors.New("there is no such answer")
	}
	a := s.GetAnswers()[p.GetPosition()]
	if hash := crypto.Keccak256(p.GetBundle()); !bytes.Equal(a.GetBundleHash(), hash) {
		return errors.New("the answer is about another bundle")
	}
	bundle, err := te.DecodeBundle(p.GetBundle())
	if err != nil {
		return err
	}
	verified, err := bundle.Payload.Ciphertext.Verify()
	if err != nil {
		return err // nobody owes a share of it
	}
	if len(a.GetShare()) == 0 {
		if a.GetRefusal() != outcome.BadCiphertext {
			return fmt.Errorf("a refusal for %s can be right", a.GetRefusal())
		}
		return nil // it says that a proof does not hold which does
	}
	return wrongShare(c, s.GetAuthority(), a.GetShare(), verified)
}

// wrongShare returns nil when the point is not the authority's share.
func wrongShare(c *committee.Committee, authority uint32, point []byte, v *te.Verified) error {
	share, err := Share(uint8(authority), point)
	if err != nil {
		return nil // no point at all
	}
	public, err := c.Keys.Share(uint8(authority))
	if err != nil {
		return err
	}
	if public.Verify(v, share) == nil {
		return errors.New("the share is right")
	}
	return nil
}

// Share decodes the compressed point of an authority's share.
func Share(authority uint8, point []byte) (*te.DecryptionShare, error) {
	b, err := rlp.EncodeToBytes([]any{uint64(authority), point})
	if err != nil {
		return nil, fmt.Errorf("decode share: %w", err)
	}
	return te.DecodeDecryptionShare(b)
}
