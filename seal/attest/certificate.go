package attest

import (
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
)

// Certificate writes the certificate of a statement. The attestations must be by authority, ascending.
func (s Statement) Certificate(attestations []*preblockv1.Attestation) *preblockv1.Certificate {
	return &preblockv1.Certificate{
		ChainId: s.ChainID, CommitteeHash: s.Committee[:], Number: s.Number,
		PreviousPayloadHash: s.Previous[:], ContentHash: s.Content[:], Attestations: attestations,
	}
}

// Verify returns the statement that a certificate shows: enough members of the committee signed it, each once, and
// nobody else did. What the statement is about is for the caller to compare.
func Verify(c *committee.Committee, cert *preblockv1.Certificate) (Statement, error) {
	s, err := statementOf(c, cert)
	if err != nil {
		return Statement{}, fmt.Errorf("verify certificate of number %d: %w", cert.GetNumber(), err)
	}
	digest := s.Hash()
	for i, a := range cert.GetAttestations() {
		if i > 0 && a.GetAuthority() <= cert.GetAttestations()[i-1].GetAuthority() {
			return Statement{}, fmt.Errorf("verify certificate of number %d: %w: authorities are not ascending", s.Number, ErrCertificate)
		}
		if err := verify(c, a.GetAuthority(), a.GetSignature(), digest); err != nil {
			return Statement{}, fmt.Errorf("verify certificate of number %d: %w: %w", s.Number, ErrCertificate, err)
		}
	}
	return s, nil
}

func statementOf(c *committee.Committee, cert *preblockv1.Certificate) (Statement, error) {
	switch n := len(cert.GetAttestations()); {
	case cert == nil:
		return Statement{}, fmt.Errorf("%w: there is none", ErrCertificate)
	case len(cert.GetCommitteeHash()) != 32 || len(cert.GetContentHash()) != 32 || len(cert.GetPreviousPayloadHash()) != 32:
		return Statement{}, fmt.Errorf("%w: a hash is not of 32 bytes", ErrMalformed)
	case cert.GetChainId() != c.ChainID || common.Hash(cert.GetCommitteeHash()) != c.Hash():
		return Statement{}, fmt.Errorf("%w: it is of another committee or chain", ErrCertificate)
	case cert.GetNumber() < c.First:
		return Statement{}, fmt.Errorf("%w: the committee begins at %d", ErrCertificate, c.First)
	case n < c.Quorum():
		return Statement{}, fmt.Errorf("%w: %d attestations, the quorum is %d", ErrCertificate, n, c.Quorum())
	case n > c.Size():
		return Statement{}, fmt.Errorf("%w: %d attestations of %d members", ErrCertificate, n, c.Size())
	}
	return Statement{
		ChainID: c.ChainID, Committee: c.Hash(), Number: cert.GetNumber(),
		Previous: common.Hash(cert.GetPreviousPayloadHash()), Content: common.Hash(cert.GetContentHash()),
	}, nil
}

// VerifyPreblock checks the certificate of a preblock over its content, and returns its payload hash, which the next
// preblock's certificate must have as its previous one: check that too, with the preblock before at hand. The outcomes are
// checked by package outcome.
func VerifyPreblock(c *committee.Committee, p *preblockv1.Preblock) (common.Hash, error) {
	s, err := Verify(c, p.GetCertificate())
	if err != nil {
		return common.Hash{}, err
	}
	if want := StatementOf(c, p.GetContent(), s.Previous); s != want {
		return common.Hash{}, fmt.Errorf("verify certificate of number %d: %w: it is over another content", p.GetContent().GetNumber(), ErrCertificate)
	}
	if s.Number == c.First && s.Previous != (common.Hash{}) {
		return common.Hash{}, fmt.Errorf("verify certificate of number %d: %w: the committee's first number has no predecessor", s.Number, ErrCertificate)
	}
	return s.Hash(), nil
}
