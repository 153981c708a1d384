package voter

import (
	"bytes"
	"slices"
	"sync"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
)

// verified remembers the last certificate that was verified. It is shown again with its locks, and then with the next number:
// a signature is verified once.
type verified struct {
	mu        sync.Mutex
	cert      *preblockv1.Certificate // nil for none
	statement attest.Statement
	final     bool // its locks were verified too
}

// certificate verifies a certificate, without its locks, and returns what it shows.
func (v *verified) certificate(c *committee.Committee, cert *preblockv1.Certificate) (attest.Statement, error) {
	if s, ok := v.attestations(cert); ok {
		return s, nil
	}
	s, err := attest.Verify(c, cert)
	if err == nil {
		v.remember(s, cert, false)
	}
	return s, err
}

// finality verifies a certificate with its locks and returns what it shows.
func (v *verified) finality(c *committee.Committee, cert *preblockv1.Certificate) (attest.Statement, error) {
	s, err := v.certificate(c, cert)
	if err != nil || v.locks(cert) {
		return s, err
	}
	if err := attest.VerifyLocks(c, s, cert); err != nil {
		return attest.Statement{}, err
	}
	v.remember(s, cert, true)
	return s, nil
}

func (v *verified) remember(s attest.Statement, cert *preblockv1.Certificate, final bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cert, v.statement, v.final = cert, s, final
}

// attestations tells whether everything but the locks of a certificate is what was verified last, and what that showed.
func (v *verified) attestations(cert *preblockv1.Certificate) (attest.Statement, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.statement, v.same(cert)
}

// locks tells whether a certificate is what was verified last, locks included.
func (v *verified) locks(cert *preblockv1.Certificate) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.final && v.same(cert) && slices.EqualFunc(v.cert.GetLocks(), cert.GetLocks(), sameSignature)
}

func (v *verified) same(cert *preblockv1.Certificate) bool {
	known := v.cert
	return known != nil && cert != nil && known.GetNumber() == cert.GetNumber() && known.GetView() == cert.GetView() &&
		known.GetChainId() == cert.GetChainId() && bytes.Equal(known.GetCommitteeHash(), cert.GetCommitteeHash()) &&
		bytes.Equal(known.GetContentHash(), cert.GetContentHash()) &&
		bytes.Equal(known.GetPreviousPayloadHash(), cert.GetPreviousPayloadHash()) &&
		slices.EqualFunc(known.GetAttestations(), cert.GetAttestations(), sameSignature)
}

func sameSignature(a, b *preblockv1.Attestation) bool {
	return a.GetAuthority() == b.GetAuthority() && bytes.Equal(a.GetSignature(), b.GetSignature())
}
