package attest

import (
	"fmt"
	"runtime"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// Certificate writes the certificate of a statement in a view. The attestations must be by authority, ascending.
func (s Statement) Certificate(view uint64, attestations []*preblockv1.Attestation) *preblockv1.Certificate {
	return &preblockv1.Certificate{
		ChainId: s.ChainID, CommitteeHash: s.Committee[:], Number: s.Number, View: view,
		PreviousPayloadHash: s.Previous[:], ContentHash: s.Content[:], Attestations: attestations,
	}
}

// Final adds locks to a certificate. They must be by authority, ascending.
func Final(c *preblockv1.Certificate, locks []*preblockv1.Attestation) *preblockv1.Certificate {
	return &preblockv1.Certificate{
		ChainId: c.GetChainId(), CommitteeHash: c.GetCommitteeHash(), Number: c.GetNumber(), View: c.GetView(),
		PreviousPayloadHash: c.GetPreviousPayloadHash(), ContentHash: c.GetContentHash(), Attestations: c.GetAttestations(), Locks: locks,
	}
}

// Verify returns the statement that a certificate shows: enough members of the committee attested it in one view, each once, and
// nobody else did. What the statement is about is for the caller to compare. Locks are not looked at.
func Verify(c *committee.Committee, cert *preblockv1.Certificate) (Statement, error) {
	s, err := statementOf(c, cert)
	if err == nil {
		err = quorum(c, cert.GetAttestations(), "attestations", digest(attestationDomain, cert.GetView(), s.Hash()))
	}
	if err != nil {
		return Statement{}, fmt.Errorf("verify certificate of number %d: %w", cert.GetNumber(), err)
	}
	return s, nil
}

// VerifyFinal is Verify, and checks too that enough members of the committee locked the statement in the view.
func VerifyFinal(c *committee.Committee, cert *preblockv1.Certificate) (Statement, error) {
	s, err := Verify(c, cert)
	if err != nil {
		return Statement{}, err
	}
	if err := VerifyLocks(c, s, cert); err != nil {
		return Statement{}, err
	}
	return s, nil
}

// VerifyLocks checks that enough members of the committee locked a statement in the view of a certificate. It is for who has
// verified the attestations already.
func VerifyLocks(c *committee.Committee, s Statement, cert *preblockv1.Certificate) error {
	if err := quorum(c, cert.GetLocks(), "locks", digest(lockDomain, cert.GetView(), s.Hash())); err != nil {
		return fmt.Errorf("verify locks of number %d: %w", s.Number, err)
	}
	return nil
}

// quorum checks that a quorum of members signed a digest, each once, by authority ascending.
func quorum(c *committee.Committee, list []*preblockv1.Attestation, what string, digest common.Hash) error {
	switch n := len(list); {
	case n < c.Quorum():
		return fmt.Errorf("%w: %d %s, the quorum is %d", ErrCertificate, n, what, c.Quorum())
	case n > c.Size():
		return fmt.Errorf("%w: %d %s of %d members", ErrCertificate, n, what, c.Size())
	}
	for i := 1; i < len(list); i++ {
		if list[i].GetAuthority() <= list[i-1].GetAuthority() {
			return fmt.Errorf("%w: authorities of %s are not ascending", ErrCertificate, what)
		}
	}
	var g errgroup.Group // whoever waits for a certificate waits for a processor that is free
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, a := range list {
		g.Go(func() error { return verify(c, a.GetAuthority(), a.GetSignature(), digest) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCertificate, what, err)
	}
	return nil
}

func statementOf(c *committee.Committee, cert *preblockv1.Certificate) (Statement, error) {
	switch {
	case cert == nil:
		return Statement{}, fmt.Errorf("%w: there is none", ErrCertificate)
	case len(cert.GetCommitteeHash()) != 32 || len(cert.GetContentHash()) != 32 || len(cert.GetPreviousPayloadHash()) != 32:
		return Statement{}, fmt.Errorf("%w: a hash is not of 32 bytes", ErrMalformed)
	case cert.GetChainId() != c.ChainID || common.Hash(cert.GetCommitteeHash()) != c.Hash():
		return Statement{}, fmt.Errorf("%w: it is of another committee or chain", ErrCertificate)
	case cert.GetNumber() < c.First:
		return Statement{}, fmt.Errorf("%w: the committee begins at %d", ErrCertificate, c.First)
	}
	return Statement{
		ChainID: c.ChainID, Committee: c.Hash(), Number: cert.GetNumber(),
		Previous: common.Hash(cert.GetPreviousPayloadHash()), Content: common.Hash(cert.GetContentHash()),
	}, nil
}

// VerifyPreblock checks that a preblock's certificate makes its content final, and returns its payload hash, which the next
// preblock's certificate must have as its previous one: check that too, with the preblock before at hand. The outcomes are
// checked by package outcome.
func VerifyPreblock(c *committee.Committee, p *preblockv1.Preblock) (common.Hash, error) {
	s, err := VerifyContent(c, p.GetContent(), p.GetCertificate())
	if err != nil {
		return common.Hash{}, err
	}
	if err := VerifyLocks(c, s, p.GetCertificate()); err != nil {
		return common.Hash{}, err
	}
	return s.Hash(), nil
}

// VerifyContent checks a certificate over a content and returns the statement it shows. Locks are not looked at.
func VerifyContent(c *committee.Committee, p *preblockv1.Content, cert *preblockv1.Certificate) (Statement, error) {
	s, err := Verify(c, cert)
	if err != nil {
		return Statement{}, err
	}
	if err := s.about(c, p); err != nil {
		return Statement{}, err
	}
	return s, nil
}
