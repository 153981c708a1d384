package attest

import (
	"crypto/ecdsa"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const reportDomain = "blindseq/report/v1"

// reportDigest is keccak256( "blindseq/report/v1" || committee hash, 32 || challenge, 32 || payload hash, 32 ), with the payload
// hash of the certificate's statement, zeros without one.
func reportDigest(c *committee.Committee, challenge, payload common.Hash) common.Hash {
	ours := c.Hash()
	return crypto.Keccak256Hash([]byte(reportDomain), ours[:], challenge[:], payload[:])
}

// SignReport reports to a keyholder that lost its votes, which made the challenge. The certificate is that of the highest number
// that the reporting authority locked or knows as final, nil for none.
func SignReport(c *committee.Committee, key *ecdsa.PrivateKey, authority uint8, challenge common.Hash, cert *preblockv1.Certificate) (*keyholderv1.Report, error) {
	var payload common.Hash
	if cert != nil {
		s, err := statementOf(c, cert)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		payload = s.Hash()
	}
	signature, err := sign(key, reportDigest(c, challenge, payload))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return &keyholderv1.Report{Authority: uint32(authority), Challenge: challenge[:], Certificate: cert, Signature: signature}, nil
}

// VerifyReport checks that an authority made a report for a challenge and that the certificate in it holds, and returns the
// number that is certified, 0 for none.
func VerifyReport(c *committee.Committee, r *keyholderv1.Report, challenge common.Hash) (number uint64, err error) {
	var payload common.Hash
	if r.GetCertificate() != nil {
		s, err := Verify(c, r.GetCertificate())
		if err != nil {
			return 0, fmt.Errorf("verify report of authority %d: %w: %w", r.GetAuthority(), ErrReport, err)
		}
		number, payload = s.Number, s.Hash()
	}
	if common.BytesToHash(r.GetChallenge()) != challenge || len(r.GetChallenge()) != 32 {
		return 0, fmt.Errorf("verify report of authority %d: %w: it is for another challenge", r.GetAuthority(), ErrReport)
	}
	if err := verify(c, r.GetAuthority(), r.GetSignature(), reportDigest(c, challenge, payload)); err != nil {
		return 0, fmt.Errorf("verify report of authority %d: %w: %w", r.GetAuthority(), ErrReport, err)
	}
	return number, nil
}
