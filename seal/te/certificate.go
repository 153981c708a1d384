package te

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// What can be wrong with a certificate, in the order in which it is checked: of several faults the first is reported.
var (
	ErrNotEnoughAttestations = errors.New("not enough attestations")
	ErrInvalidAttestation    = errors.New("invalid attestation")
	ErrDuplicateAuthority    = errors.New("duplicate authority")
	ErrNotInCommittee        = errors.New("authority not in the committee")
)

// ContentHash is keccak256 of the concatenated transactions of a list, as they were submitted. The concatenation says
// where a transaction ends only if each is one item that says its own length: see Delimited.
func ContentHash(txs [][]byte) common.Hash { return crypto.Keccak256Hash(txs...) }

// Delimited tells whether a raw transaction is exactly one RLP list, or a type byte and exactly one RLP list. Of such
// items a concatenation can be cut in one way only. A list with any other item may have a twin with the same ContentHash
// and must not be attested.
func Delimited(tx []byte) bool {
	if len(tx) > 0 && tx[0] < 0x80 {
		tx = tx[1:]
	}
	kind, _, rest, err := rlp.Split(tx)
	return err == nil && kind == rlp.List && len(rest) == 0
}

// AttestationHash is what keyholders sign for a list: keccak256(content hash ‖ the list's before it). It is the next
// list's previous hash, so that each attests everything before it.
func AttestationHash(content, previous common.Hash) common.Hash {
	return crypto.Keccak256Hash(content[:], previous[:])
}

// Attest signs a list's place.
func Attest(key *ecdsa.PrivateKey, content, previous common.Hash) (Signature, error) {
	s, err := signDigest(key, AttestationHash(content, previous))
	if err != nil {
		return s, fmt.Errorf("attest: %w", err)
	}
	return s, nil
}

// Certificate shows that a quorum attested a list after the one before it.
type Certificate struct {
	Attestations []Signature
	ContentHash  common.Hash
	// PreviousHash is the Hash of the certificate before.
	PreviousHash common.Hash
}

// maxCertificateBytes is the encoding of the certificate of the largest committee: 67 bytes an attestation, two hashes of
// 33 and two list headers.
const maxCertificateBytes = MaxAuthorities*67 + 2*33 + 8

// Genesis is the certificate before the first: no attestations, zero hashes. It is agreed on, not verified.
func Genesis() *Certificate { return &Certificate{} }

// IsGenesis tells whether c is the certificate before the first.
func (c *Certificate) IsGenesis() bool {
	return len(c.Attestations) == 0 && c.ContentHash == common.Hash{} && c.PreviousHash == common.Hash{}
}

// Hash is what was attested (the formats call it the payload hash), and the next certificate's PreviousHash.
func (c *Certificate) Hash() common.Hash { return AttestationHash(c.ContentHash, c.PreviousHash) }

// DecodeCertificate reads a certificate.
func DecodeCertificate(b []byte) (*Certificate, error) {
	if len(b) > maxCertificateBytes {
		return nil, fmt.Errorf("decode certificate: %w: %d bytes", ErrTooLarge, len(b))
	}
	var c Certificate
	if err := rlp.DecodeBytes(b, &c); err != nil {
		return nil, fmt.Errorf("decode certificate: %w: %w", ErrMalformed, err)
	}
	return &c, nil
}

// Encode writes the certificate.
func (c *Certificate) Encode() []byte { return encode(c) }

// Verify checks that enough members of the committee attested, each once, and nobody else.
func (c *Certificate) Verify(committee *Committee) error {
	if n, want := len(c.Attestations), committee.Quorum(); n < want {
		return fmt.Errorf("verify certificate: %w: %d, want %d", ErrNotEnoughAttestations, n, want)
	}
	if n, most := len(c.Attestations), MaxAuthorities; n > most {
		return fmt.Errorf("verify certificate: %w: %d attestations", ErrTooLarge, n)
	}
	attesters := make([]common.Address, len(c.Attestations))
	for i := range c.Attestations {
		var err error
		if attesters[i], err = c.Attestations[i].Recover(c.Hash()); err != nil {
			return fmt.Errorf("verify certificate: %w %d: %w", ErrInvalidAttestation, i, err)
		}
	}
	seen := make(map[common.Address]bool, len(attesters))
	for _, a := range attesters {
		if seen[a] {
			return fmt.Errorf("verify certificate: %w: %s", ErrDuplicateAuthority, a)
		}
		seen[a] = true
	}
	for _, a := range attesters {
		if _, member := committee.Authority(a); !member {
			return fmt.Errorf("verify certificate: %w: %s", ErrNotInCommittee, a)
		}
	}
	return nil
}
