// Package attest is what keyholders sign: the statement that fixes a content's place, the certificate a quorum of such
// signatures makes, and the answers with which they give their decryption shares.
//
// # The digest of a statement
//
//	payload hash(n) = keccak256( "blindseq/attestation/v1" || chain id, 8 bytes || committee hash, 32
//	                             || n, 8 bytes || payload hash(n-1), 32 || content hash(n), 32 )
//
// Numbers are big-endian. The content hash is that of package kit/content, which covers number, parent, timestamp, delayed
// and plain transactions; payload hash(n-1) makes each statement one about everything before it, and is zero for the
// committee's first number. It binds number, chain, committee, parent and timestamp, so that no signature can be replayed elsewhere.
//
// A signature made for one domain is none in another: every digest begins with its own domain, and none is the prefix of
// another.
package attest

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const statementDomain = "blindseq/attestation/v1"

var (
	// ErrMalformed says that a message has a field of a wrong size or is missing one.
	ErrMalformed = errors.New("malformed attestation")
	// ErrNotSigned says that a signature is not the one of the authority it is said to be of.
	ErrNotSigned = errors.New("not signed by its authority")
	// ErrCertificate says that a certificate does not show what it is to show.
	ErrCertificate = errors.New("certificate does not hold")
)

// Statement fixes the place of a content.
type Statement struct {
	ChainID   uint64
	Committee common.Hash
	Number    uint64
	Previous  common.Hash // hash of the statement for Number-1
	Content   common.Hash
}

// StatementOf is the statement of a committee about a content that follows a statement.
func StatementOf(c *committee.Committee, p *preblockv1.Content, previous common.Hash) Statement {
	return Statement{ChainID: c.ChainID, Committee: c.Hash(), Number: p.GetNumber(), Previous: previous, Content: content.HashOf(p)}
}

// Hash is the payload hash of the statement (package comment): what is signed, and what the next statement follows.
func (s Statement) Hash() common.Hash {
	b := make([]byte, 0, len(statementDomain)+8+32+8+32+32)
	b = append(b, statementDomain...)
	b = binary.BigEndian.AppendUint64(b, s.ChainID)
	b = append(b, s.Committee[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Number)
	b = append(b, s.Previous[:]...)
	b = append(b, s.Content[:]...)
	return crypto.Keccak256Hash(b)
}

// Sign signs a statement as an authority.
func (s Statement) Sign(key *ecdsa.PrivateKey, authority uint8) (*keyholderv1.Attested, error) {
	signature, err := sign(key, s.Hash())
	if err != nil {
		return nil, fmt.Errorf("attest number %d: %w", s.Number, err)
	}
	return &keyholderv1.Attested{
		Number: s.Number, ContentHash: s.Content[:], PreviousPayloadHash: s.Previous[:],
		Attestation: &preblockv1.Attestation{Authority: uint32(authority), Signature: signature},
	}, nil
}

// Read returns the statement of an Attested message and checks that its authority signed it.
func Read(c *committee.Committee, a *keyholderv1.Attested) (Statement, error) {
	if len(a.GetContentHash()) != 32 || len(a.GetPreviousPayloadHash()) != 32 || a.GetNumber() < c.First {
		return Statement{}, fmt.Errorf("read statement for number %d: %w", a.GetNumber(), ErrMalformed)
	}
	s := Statement{
		ChainID: c.ChainID, Committee: c.Hash(), Number: a.GetNumber(),
		Previous: common.Hash(a.GetPreviousPayloadHash()), Content: common.Hash(a.GetContentHash()),
	}
	if err := verify(c, a.GetAttestation().GetAuthority(), a.GetAttestation().GetSignature(), s.Hash()); err != nil {
		return Statement{}, fmt.Errorf("read statement for number %d: %w", a.GetNumber(), err)
	}
	return s, nil
}

// signatureSize is the length of v, r, s.
const signatureSize = 65

// sign returns v (0 or 1), r, s.
func sign(key *ecdsa.PrivateKey, digest common.Hash) ([]byte, error) {
	rsv, err := crypto.Sign(digest[:], key)
	if err != nil {
		return nil, err
	}
	return append([]byte{rsv[64]}, rsv[:64]...), nil
}

// verify checks that an authority of the committee signed a digest.
func verify(c *committee.Committee, authority uint32, signature []byte, digest common.Hash) error {
	want, member := c.Address(authority)
	if !member {
		return fmt.Errorf("%w: there is no authority %d", ErrNotSigned, authority)
	}
	if len(signature) != signatureSize {
		return fmt.Errorf("%w: a signature of %d bytes", ErrNotSigned, len(signature))
	}
	if !crypto.ValidateSignatureValues(signature[0], new(big.Int).SetBytes(signature[1:33]), new(big.Int).SetBytes(signature[33:]), true) {
		return fmt.Errorf("%w: authority %d: r, s or v out of range", ErrNotSigned, authority)
	}
	key, err := crypto.SigToPub(digest[:], append(append(make([]byte, 0, signatureSize), signature[1:]...), signature[0]))
	if err != nil {
		return fmt.Errorf("%w: authority %d: %w", ErrNotSigned, authority, err)
	}
	if crypto.PubkeyToAddress(*key) != want {
		return fmt.Errorf("%w: authority %d", ErrNotSigned, authority)
	}
	return nil
}
