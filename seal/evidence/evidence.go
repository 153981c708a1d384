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
	"slices"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

// ErrNoProof says that a record convicts nobody.
var ErrNoProof = errors.New("evidence proves nothing")

// Kinds of evidence, as in metrics and logs.
const (
	KindEquivocation = "equivocation"
	KindWrongShare   = "wrong_share"
	KindTwoShares    = "two_shares"
)

// Kind names the kind of a record, "" for one without a proof.
func Kind(e *keyholderv1.Evidence) string {
	switch e.GetProof().(type) {
	case *keyholderv1.Evidence_Equivocation:
		return KindEquivocation
	case *keyholderv1.Evidence_WrongShare:
		return KindWrongShare
	case *keyholderv1.Evidence_TwoShares:
		return KindTwoShares
	}
	return ""
}

// Equivocation is the record of two statements for one number and view.
func Equivocation(c *committee.Committee, first, second *keyholderv1.Attested) *keyholderv1.Evidence {
	hash := c.Hash()
	return &keyholderv1.Evidence{
		CommitteeHash: hash[:], Authority: first.GetAttestation().GetAuthority(), Number: first.GetNumber(),
		Proof: &keyholderv1.Evidence_Equivocation{Equivocation: &keyholderv1.Equivocation{First: first, Second: second}},
	}
}

// WrongShare is the record of a signed share whose proof does not hold, at a position of signed ones, about a sealed
// transaction.
func WrongShare(c *committee.Committee, s *keyholderv1.SignedShares, position int, sealed []byte) *keyholderv1.Evidence {
	hash := c.Hash()
	return &keyholderv1.Evidence{
		CommitteeHash: hash[:], Authority: s.GetAuthority(), Number: s.GetNumber(),
		Proof: &keyholderv1.Evidence_WrongShare{WrongShare: &keyholderv1.WrongShare{Shares: s, Position: uint32(position), Sealed: sealed}},
	}
}

// TwoShares is the record of two different shares of the sealed transaction at an index.
func TwoShares(c *committee.Committee, first, second *keyholderv1.SignedShares, index uint32) *keyholderv1.Evidence {
	hash := c.Hash()
	return &keyholderv1.Evidence{
		CommitteeHash: hash[:], Authority: first.GetAuthority(), Number: first.GetNumber(),
		Proof: &keyholderv1.Evidence_TwoShares{TwoShares: &keyholderv1.TwoShares{First: first, Second: second, Index: index}},
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
	case *keyholderv1.Evidence_TwoShares:
		err = verifyTwoShares(c, e, proof.TwoShares)
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
	switch {
	case p.GetFirst().GetView() != p.GetSecond().GetView():
		return errors.New("the two statements are of different views")
	case statements[0] == statements[1]:
		return errors.New("the two statements are one")
	}
	return nil
}

func verifyWrongShare(c *committee.Committee, e *keyholderv1.Evidence, p *keyholderv1.WrongShare) error {
	s := p.GetShares()
	if err := verifySigned(c, e, s); err != nil {
		return err
	}
	if uint64(p.GetPosition()) >= uint64(len(s.GetAnswers())) {
		return errors.New("there is no such answer")
	}
	sealed, err := seal.Parse(p.GetSealed())
	if err != nil {
		return err
	}
	a, id := s.GetAnswers()[p.GetPosition()], sealed.ID()
	if !bytes.Equal(a.GetId(), id[:]) {
		return errors.New("the answer is about another sealed transaction")
	}
	checked, err := c.Ring().Check(sealed)
	if err != nil {
		return err // nobody owes a share of it
	}
	if len(a.GetProof()) == 0 {
		return errors.New("a share without a proof convicts nobody by itself")
	}
	proven, err := outcome.ReadProven(s.GetAuthority(), a.GetShare(), a.GetProof())
	if err != nil {
		return nil // it signed what is no share at all
	}
	if c.Keys.VerifyShare(checked, proven.Share, &proven.Proof) == nil {
		return errors.New("the share is right")
	}
	return nil
}

func verifyTwoShares(c *committee.Committee, e *keyholderv1.Evidence, p *keyholderv1.TwoShares) error {
	var answers [2]*keyholderv1.ShareAnswer
	for i, s := range []*keyholderv1.SignedShares{p.GetFirst(), p.GetSecond()} {
		if err := verifySigned(c, e, s); err != nil {
			return err
		}
		at := slices.IndexFunc(s.GetAnswers(), func(a *keyholderv1.ShareAnswer) bool { return a.GetIndex() == p.GetIndex() })
		if at < 0 {
			return errors.New("there is no such answer")
		}
		answers[i] = s.GetAnswers()[at]
	}
	switch first, second := answers[0], answers[1]; {
	case len(first.GetId()) != len(seal.ID{}) || !bytes.Equal(first.GetId(), second.GetId()):
		return errors.New("the answers are about two sealed transactions")
	case bytes.Equal(first.GetShare(), second.GetShare()):
		return errors.New("the two shares are one")
	}
	return nil
}

// verifySigned checks that the accused signed shares for the number of the record.
func verifySigned(c *committee.Committee, e *keyholderv1.Evidence, s *keyholderv1.SignedShares) error {
	if s.GetAuthority() != e.GetAuthority() || s.GetNumber() != e.GetNumber() {
		return errors.New("shares of another authority or number")
	}
	return attest.VerifyShares(c, s)
}
