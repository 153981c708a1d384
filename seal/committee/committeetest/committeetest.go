// Package committeetest is a committee with all its keys in one place, for tests: it makes bundles, certificates and whole
// preblocks without keyholders.
package committeetest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/outcome"
	"blindseq/seal/te"
	"blindseq/seal/te/dealer"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Committee is a committee and, by authority, its secrets.
type Committee struct {
	*committee.Committee
	Identities []*ecdsa.PrivateKey
	Shares     []*te.KeyShare
	t          testing.TB
}

// New makes a committee for chain 1337 that begins at a number.
func New(t testing.TB, keyholders, threshold int, first uint64) *Committee {
	t.Helper()
	keys, shares, err := dealer.Deal(rand.Reader, keyholders, threshold)
	if err != nil {
		t.Fatal(err)
	}
	c := &Committee{Shares: shares, t: t}
	members := make([]common.Address, keyholders)
	for i := range members {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		c.Identities = append(c.Identities, key)
		members[i] = crypto.PubkeyToAddress(key.PublicKey)
	}
	if c.Committee, err = committee.New(1337, first, members, keys); err != nil {
		t.Fatal(err)
	}
	return c
}

// Bundle is an unsigned bundle of one plain transaction.
func (c *Committee) Bundle(plain []byte) []byte {
	c.t.Helper()
	payload, err := te.Encrypt(rand.Reader, c.Keys.Master(), plain)
	if err != nil {
		c.t.Fatal(err)
	}
	return (&te.Bundle{Payload: payload}).Encode()
}

// Certify is the certificate of the first quorum of members, and the hash the next one follows.
func (c *Committee) Certify(p *preblockv1.Content, previous common.Hash) (*preblockv1.Certificate, common.Hash) {
	c.t.Helper()
	s := attest.StatementOf(c.Committee, p, previous)
	var list []*preblockv1.Attestation
	for i := range c.Quorum() {
		signed, err := s.Sign(c.Identities[i], uint8(i))
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, signed.GetAttestation())
	}
	return s.Certificate(list), s.Hash()
}

// Preblock is a content's preblock with certificate and outcomes, and the hash the next one follows. Repeated ciphertexts
// are not looked for.
func (c *Committee) Preblock(p *preblockv1.Content, previous common.Hash) (*preblockv1.Preblock, common.Hash) {
	c.t.Helper()
	hash := content.HashOf(p)
	cert, payload := c.Certify(p, previous)
	out := &preblockv1.Preblock{Content: p, ContentHash: hash[:], Certificate: cert}
	for i, raw := range p.GetTransactions() {
		if te.IsBundle(raw) {
			out.Outcomes = append(out.Outcomes, c.outcome(uint32(i), raw))
		}
	}
	return out, payload
}

func (c *Committee) outcome(index uint32, raw []byte) *preblockv1.Outcome {
	bundle, err := te.DecodeBundle(raw)
	if err != nil {
		return outcome.Refuse(index, outcome.Malformed, err.Error())
	}
	verified, err := bundle.Payload.Ciphertext.Verify()
	if err != nil {
		return outcome.Refuse(index, outcome.BadCiphertext, err.Error())
	}
	var shares []*te.DecryptionShare
	for _, s := range c.Shares[:c.Keys.Threshold()] {
		share, err := s.Share(verified)
		if err != nil {
			c.t.Fatal(err)
		}
		shares = append(shares, share)
	}
	opening, err := c.Keys.Combine(shares)
	if err != nil {
		c.t.Fatal(err)
	}
	return outcome.Open(index, bundle.Payload, opening)
}
