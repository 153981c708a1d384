// Package attest is what keyholders and sequencers sign about the order: proposals, attestations, locks, the certificates made
// of them, changes of view, decryption shares, and reports to keyholders that lost their votes.
//
// # Digests
//
//	payload hash(n) = keccak256( "blindseq/attestation/v1" || chain id, 8 bytes || committee hash, 32
//	                             || n, 8 bytes || payload hash(n-1), 32 || content hash(n), 32 )
//	proposal        = keccak256( "blindseq/proposal/v2" || view, 8 bytes || payload hash(n), 32 )
//	attestation     = keccak256( "blindseq/attestation/v2" || view, 8 bytes || payload hash(n), 32 )
//	lock            = keccak256( "blindseq/lock/v2" || view, 8 bytes || payload hash(n), 32 )
//
// Numbers are big-endian. The content hash is that of package kit/content, which covers number, parent, timestamp, base fee, delayed
// and other transactions; payload hash(n-1) makes each statement one about everything before it, and is zero for the
// committee's first number. It binds number, chain, committee, parent and timestamp, so that no signature can be replayed elsewhere.
// The payload hash holds no view: one content has the same in every view.
//
// # Phases
//
// Attestations of a quorum certify a content for a number and view; no other one can be certified there. A keyholder that has
// stored the certificate signs a lock. Locks of a quorum make the content final: whatever is decided later for the number, in
// any view, is this content.
//
// A keyholder that has left a view attests and locks nothing there. Statements of a quorum that it has left all views below one
// open that view (Opens); they say which content has to be proposed there.
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
	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// ErrMalformed says that a message has a field of a wrong size or is missing one.
	ErrMalformed = errors.New("malformed attestation")
	// ErrNotSigned says that a signature is not the one of the authority it is said to be of.
	ErrNotSigned = errors.New("not signed by its authority")
	// ErrCertificate says that a certificate does not show what it is to show.
	ErrCertificate = errors.New("certificate does not hold")
	// ErrProposal says that a content was not proposed by the owner of its view.
	ErrProposal = errors.New("not proposed by the owner of the view")
	// ErrReport says that a report is not of a peer, or not for the challenge.
	ErrReport = errors.New("report does not hold")
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

// What signatures are made for.
const (
	payloadDomain     = "blindseq/attestation/v1"
	proposalDomain    = "blindseq/proposal/v2"
	attestationDomain = "blindseq/attestation/v2"
	lockDomain        = "blindseq/lock/v2"
)

// Hash is the payload hash of the statement (package comment): what the next statement follows.
func (s Statement) Hash() common.Hash {
	b := make([]byte, 0, len(payloadDomain)+8+32+8+32+32)
	b = append(b, payloadDomain...)
	b = binary.BigEndian.AppendUint64(b, s.ChainID)
	b = append(b, s.Committee[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Number)
	b = append(b, s.Previous[:]...)
	b = append(b, s.Content[:]...)
	return crypto.Keccak256Hash(b)
}

// digest is what is signed in a view about a statement with a payload hash.
func digest(domain string, view uint64, payload common.Hash) common.Hash {
	return crypto.Keccak256Hash([]byte(domain), binary.BigEndian.AppendUint64(nil, view), payload[:])
}

// Sign attests a statement in a view, as an authority.
func (s Statement) Sign(key *ecdsa.PrivateKey, authority uint8, view uint64) (*keyholderv1.Attested, error) {
	signature, err := sign(key, digest(attestationDomain, view, s.Hash()))
	if err != nil {
		return nil, fmt.Errorf("attest number %d: %w", s.Number, err)
	}
	return &keyholderv1.Attested{
		Number: s.Number, ContentHash: s.Content[:], PreviousPayloadHash: s.Previous[:], View: view,
		Attestation: &preblockv1.Attestation{Authority: uint32(authority), Signature: signature},
	}, nil
}

// Lock signs a lock of a statement in a view, as an authority.
func (s Statement) Lock(key *ecdsa.PrivateKey, authority uint8, view uint64) (*preblockv1.Attestation, error) {
	signature, err := sign(key, digest(lockDomain, view, s.Hash()))
	if err != nil {
		return nil, fmt.Errorf("lock number %d: %w", s.Number, err)
	}
	return &preblockv1.Attestation{Authority: uint32(authority), Signature: signature}, nil
}

// VerifyLock checks an authority's lock of a statement in a view.
func VerifyLock(c *committee.Committee, s Statement, view uint64, lock *preblockv1.Attestation) error {
	if err := verify(c, lock.GetAuthority(), lock.GetSignature(), digest(lockDomain, view, s.Hash())); err != nil {
		return fmt.Errorf("verify lock of number %d: %w", s.Number, err)
	}
	return nil
}

// Propose signs a statement as the owner of a view.
func (s Statement) Propose(key *ecdsa.PrivateKey, view uint64) ([]byte, error) {
	signature, err := sign(key, digest(proposalDomain, view, s.Hash()))
	if err != nil {
		return nil, fmt.Errorf("propose number %d: %w", s.Number, err)
	}
	return signature, nil
}

// VerifyProposal checks that the owner of a view proposed a statement.
func VerifyProposal(c *committee.Committee, s Statement, view uint64, signature []byte) error {
	if err := signedBy(c.Owner(view), signature, digest(proposalDomain, view, s.Hash())); err != nil {
		return fmt.Errorf("verify proposal of number %d: %w: %w", s.Number, ErrProposal, err)
	}
	return nil
}

// Read returns the statement of an Attested message and checks that its authority signed it, in the view the message names.
func Read(c *committee.Committee, a *keyholderv1.Attested) (Statement, error) {
	if len(a.GetContentHash()) != 32 || len(a.GetPreviousPayloadHash()) != 32 || a.GetNumber() < c.First {
		return Statement{}, fmt.Errorf("read statement for number %d: %w", a.GetNumber(), ErrMalformed)
	}
	s := Statement{
		ChainID: c.ChainID, Committee: c.Hash(), Number: a.GetNumber(),
		Previous: common.Hash(a.GetPreviousPayloadHash()), Content: common.Hash(a.GetContentHash()),
	}
	signed := digest(attestationDomain, a.GetView(), s.Hash())
	if err := verify(c, a.GetAttestation().GetAuthority(), a.GetAttestation().GetSignature(), signed); err != nil {
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
	signature := append([]byte{rsv[64]}, rsv[:64]...)
	known.Add(signed{crypto.PubkeyToAddress(key.PublicKey), digest, [signatureSize]byte(signature)}, struct{}{})
	return signature, nil
}

// known is signatures that this process made or verified. The same ones come again: a keyholder's own in certificates, a
// certificate's with its locks, and with the next number. So each signer is recovered once.
var known = lru.NewCache[signed, struct{}](4096)

// signed is a signature that holds.
type signed struct {
	by        common.Address
	digest    common.Hash
	signature [signatureSize]byte
}

// verify checks that an authority of the committee signed a digest.
func verify(c *committee.Committee, authority uint32, signature []byte, digest common.Hash) error {
	want, member := c.Address(authority)
	if !member {
		return fmt.Errorf("%w: there is no authority %d", ErrNotSigned, authority)
	}
	if err := signedBy(want, signature, digest); err != nil {
		return fmt.Errorf("authority %d: %w", authority, err)
	}
	return nil
}

func signedBy(want common.Address, signature []byte, digest common.Hash) error {
	if len(signature) != signatureSize {
		return fmt.Errorf("%w: a signature of %d bytes", ErrNotSigned, len(signature))
	}
	claim := signed{want, digest, [signatureSize]byte(signature)}
	if known.Contains(claim) {
		return nil
	}
	if !crypto.ValidateSignatureValues(signature[0], new(big.Int).SetBytes(signature[1:33]), new(big.Int).SetBytes(signature[33:]), true) {
		return fmt.Errorf("%w: r, s or v out of range", ErrNotSigned)
	}
	key, err := crypto.SigToPub(digest[:], append(append(make([]byte, 0, signatureSize), signature[1:]...), signature[0]))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	if got := crypto.PubkeyToAddress(*key); got != want {
		return fmt.Errorf("%w: by %s, not %s", ErrNotSigned, got, want)
	}
	known.Add(claim, struct{}{})
	return nil
}
