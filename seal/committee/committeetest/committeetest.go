// Package committeetest is a committee with all its keys in one place, for tests: it makes sealed transactions, certificates
// and whole preblocks without keyholders.
package committeetest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Committee is a committee and, by authority, its secrets.
type Committee struct {
	*committee.Committee
	Identities []*ecdsa.PrivateKey
	Secrets    []*seal.Secret
	Sequencer  *ecdsa.PrivateKey
	t          testing.TB
}

// Fee is the fee of sealed transactions unless a test changes it, in wei: above the base fee of a chain's first blocks.
const Fee = 2_000_000_000

// New makes a committee for chain 1337 that begins at a number.
func New(t testing.TB, keyholders, threshold int, first uint64) *Committee {
	t.Helper()
	return NewWith(t, keyholders, threshold, first, committee.Limits{})
}

// NewWith makes a committee with limits of its own, and relays.
func NewWith(t testing.TB, keyholders, threshold int, first uint64, limits committee.Limits, relays ...common.Address) *Committee {
	t.Helper()
	keys, secrets, err := seal.Deal(rand.Reader, 1337, keyholders, threshold)
	if err != nil {
		t.Fatal(err)
	}
	c := &Committee{Secrets: secrets, t: t}
	c.Sequencer = c.newKey()
	roles := committee.Roles{Sequencers: []common.Address{crypto.PubkeyToAddress(c.Sequencer.PublicKey)}, Relays: relays}
	members := make([]common.Address, keyholders)
	for i := range members {
		c.Identities = append(c.Identities, c.newKey())
		members[i] = crypto.PubkeyToAddress(c.Identities[i].PublicKey)
	}
	if c.Committee, err = committee.New(first, members, keys, limits, roles); err != nil {
		t.Fatal(err)
	}
	return c
}

// Of seals for a committee whose secrets others have.
func Of(t testing.TB, c *committee.Committee) *Committee { return &Committee{Committee: c, t: t} }

func (c *Committee) newKey() *ecdsa.PrivateKey {
	c.t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

// Sealed seals a transaction by a new submitter, as its first: valid in every content of the committee's first numbers.
func (c *Committee) Sealed(tx []byte) []byte {
	c.t.Helper()
	return c.SealedBy(c.newKey(), 0, tx)
}

// SealedBy seals a transaction by a submitter, with gas for most transactions, Fee, and the latest expiry that the
// committee's first number allows. change may change the header.
func (c *Committee) SealedBy(key *ecdsa.PrivateKey, seq uint64, tx []byte, change ...func(*seal.Header)) []byte {
	c.t.Helper()
	s, err := seal.Seal(c.Keys.Key, c.header(key, seq, change), seal.NewSeed(), tx)
	return c.signed(key, s, err)
}

// Garbage passes every check and is unopenable, for a reason: seal.ErrPayload, seal.ErrPadding or seal.ErrSeed.
func (c *Committee) Garbage(kind error, change ...func(*seal.Header)) []byte {
	c.t.Helper()
	key := c.newKey()
	s, err := seal.SealGarbage(c.Keys.Key, c.header(key, 0, change), kind)
	return c.signed(key, s, err)
}

func (c *Committee) header(key *ecdsa.PrivateKey, seq uint64, change []func(*seal.Header)) seal.Header {
	h := seal.Header{
		ChainID: c.ChainID, Key: c.Keys.ID(), Submitter: crypto.PubkeyToAddress(key.PublicKey),
		Seq: seq, Gas: 100_000, Fee: Fee, Expiry: c.First + c.Limits.Lifetime,
	}
	for _, do := range change {
		do(&h)
	}
	return h
}

func (c *Committee) signed(key *ecdsa.PrivateKey, s *seal.Sealed, err error) []byte {
	c.t.Helper()
	if err == nil {
		err = s.Sign(key)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Encode()
}

// Certify makes a content final: the certificate and locks of the first quorum of members, in view 0. It returns the hash that
// the next one follows, too.
func (c *Committee) Certify(p *preblockv1.Content, previous common.Hash) (*preblockv1.Certificate, common.Hash) {
	c.t.Helper()
	return c.CertifyIn(0, p, previous)
}

// CertifyIn is Certify in a view.
func (c *Committee) CertifyIn(view uint64, p *preblockv1.Content, previous common.Hash) (*preblockv1.Certificate, common.Hash) {
	c.t.Helper()
	s := attest.StatementOf(c.Committee, p, previous)
	var list, locks []*preblockv1.Attestation
	for i := range c.Quorum() {
		signed, err := s.Sign(c.Identities[i], uint8(i), view)
		if err != nil {
			c.t.Fatal(err)
		}
		lock, err := s.Lock(c.Identities[i], uint8(i), view)
		if err != nil {
			c.t.Fatal(err)
		}
		list, locks = append(list, signed.GetAttestation()), append(locks, lock)
	}
	return attest.Final(s.Certificate(view, list), locks), s.Hash()
}

// ViewChanges are the statements of the first members that they went to a view of a number, each with a certificate or nil.
func (c *Committee) ViewChanges(number, view uint64, locked ...*preblockv1.Certificate) (out []*keyholderv1.ViewChange) {
	c.t.Helper()
	for i, cert := range locked {
		m, err := attest.SignViewChange(c.Committee, c.Identities[i], uint8(i), number, view, cert)
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// Preblock is a content's preblock with certificate and outcomes, and the hash the next one follows. Only that sealed
// transactions pass the check is looked for, no other rule of contents.
func (c *Committee) Preblock(p *preblockv1.Content, previous common.Hash) (*preblockv1.Preblock, common.Hash) {
	c.t.Helper()
	hash := content.HashOf(p)
	cert, payload := c.Certify(p, previous)
	out := &preblockv1.Preblock{Content: p, ContentHash: hash[:], Certificate: cert}
	for i, raw := range p.GetTransactions() {
		if seal.IsSealed(raw) {
			out.Outcomes = append(out.Outcomes, c.Outcome(uint32(i), raw))
		}
	}
	return out, payload
}

// Checked is a sealed transaction after the check.
func (c *Committee) Checked(raw []byte) *seal.Checked {
	c.t.Helper()
	s, err := seal.Parse(raw)
	if err != nil {
		c.t.Fatal(err)
	}
	checked, err := c.Ring().Check(s)
	if err != nil {
		c.t.Fatal(err)
	}
	return checked
}

// Outcome opens a sealed transaction.
func (c *Committee) Outcome(index uint32, raw []byte) *preblockv1.Outcome {
	c.t.Helper()
	checked := c.Checked(raw)
	proven := make([]seal.ProvenShare, c.Keys.Threshold())
	shares := make([]seal.Share, len(proven))
	for i := range proven {
		var err error
		if proven[i].Share, proven[i].Proof, err = c.Secrets[i].ShareWithProof(checked); err != nil {
			c.t.Fatal(err)
		}
		shares[i] = proven[i].Share
	}
	z, err := c.Keys.Combine(shares)
	if err != nil {
		c.t.Fatal(err)
	}
	opening, err := checked.Open(z)
	if err != nil {
		return outcome.Unopenable(index, err, proven)
	}
	return outcome.Opened(index, opening)
}
