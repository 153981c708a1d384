package ceremony

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
	"slices"

	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/feldman"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	promiseDomain = "blindseq/dkg/commitments/v1"
	shareDomain   = "blindseq/dkg/share/v1"
)

// advance does what can be done with the messages that are here. A complaint goes first.
func (m *State) advance() (effects []Effect) {
	for m.phase < Done {
		step := m.judge()
		if step == nil && len(m.Missing()) == 0 {
			step = m.step()
		}
		if step == nil {
			return effects
		}
		effects = append(effects, step...)
	}
	return effects
}

// step ends a phase in which nobody is missing. It returns nothing when something else is.
func (m *State) step() []Effect {
	switch m.phase {
	case Committing:
		return m.deal()
	case Dealing:
		return m.confirm()
	case Confirming:
		return m.conclude()
	case Finishing:
		return m.publish()
	}
	return nil
}

// promise is the hash by which commitments are promised.
func (m *State) promise(dealer uint8, commitments [][]byte) common.Hash {
	parts := [][]byte{[]byte(promiseDomain), m.id[:], {dealer}}
	return crypto.Keccak256Hash(append(parts, commitments...)...)
}

// deal shows our commitments and seals everyone's share.
func (m *State) deal() []Effect {
	out := deal{Commitments: m.polynomial.Commit().Encode(), Sealed: make([][]byte, len(m.ceremony.Participants))}
	for i := range out.Sealed {
		sealed, err := m.seal(uint8(i))
		if err != nil {
			return m.fail(err, uint8(i))
		}
		out.Sealed[i] = sealed
	}
	m.polynomial.Erase()
	m.phase = Dealing
	return append([]Effect{Enter{Dealing}}, m.say(Deal, &out)...)
}

func (m *State) seal(receiver uint8) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(m.decoded[Commit][receiver].(*commitment).Key)
	if err != nil {
		return nil, fmt.Errorf("%w: key for shares: %w", ErrMalformed, err)
	}
	key, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: key for shares: %w", ErrMalformed, err)
	}
	share := m.polynomial.Share(receiver)
	defer clear(share[:])
	sealed, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), m.sealing(m.self, receiver), share[:])
	if err != nil { // a key of low order
		return nil, fmt.Errorf("%w: key for shares: %w", ErrMalformed, err)
	}
	return sealed, nil
}

// sealing is what a sealed share is bound to: nobody can pass on another dealer's.
func (m *State) sealing(dealer, receiver uint8) []byte {
	return append(append([]byte(shareDomain), m.id[:]...), dealer, receiver)
}

// open opens a receiver's share and checks it. The caller overwrites it.
func (m *State) open(dealer, receiver uint8, unsealing *ecdh.PrivateKey, c feldman.Commitments) ([]byte, error) {
	key, err := hpke.NewDHKEMPrivateKey(unsealing)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadShare, err)
	}
	sealed := m.decoded[Deal][dealer].(*deal).Sealed[receiver]
	share, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), m.sealing(dealer, receiver), sealed)
	if err == nil {
		err = c.Check(receiver, share)
	}
	if err != nil {
		clear(share)
		return nil, fmt.Errorf("%w: for participant %d: %w", ErrBadShare, receiver, err)
	}
	return share, nil
}

// commitmentsOf checks that a deal's commitments are points and those promised.
func (m *State) commitmentsOf(dealer uint8) (feldman.Commitments, error) {
	shown := m.decoded[Deal][dealer].(*deal).Commitments
	if m.promise(dealer, shown) != m.decoded[Commit][dealer].(*commitment).Hash {
		return nil, ErrPromise
	}
	return feldman.Parse(shown, m.ceremony.Threshold)
}

// confirm checks all deals, adds our share up and says what we saw.
func (m *State) confirm() []Effect {
	m.commitments = make([]feldman.Commitments, len(m.ceremony.Participants))
	shares := make([][]byte, len(m.commitments))
	defer func() {
		for _, s := range shares {
			clear(s)
		}
	}()
	for i := range shares {
		c, err := m.commitmentsOf(uint8(i))
		if err != nil {
			return m.fail(err, uint8(i))
		}
		if m.commitments[i], shares[i], err = m.openOurs(uint8(i), c); err != nil {
			return m.complain(uint8(i), err)
		}
	}
	secret, err := feldman.SumShares(shares)
	defer clear(secret[:])
	if err == nil {
		m.result.Share, err = seal.NewSecret(m.self, secret[:])
	}
	if err != nil {
		return m.fail(fmt.Errorf("%w: %w", ErrStopped, err))
	}
	m.result.Transcript = m.transcript()
	m.phase = Confirming
	said := &confirmation{Transcript: m.result.Transcript, Signed: m.signed()}
	return append([]Effect{Enter{Confirming}}, m.say(Confirm, said)...)
}

func (m *State) openOurs(dealer uint8, c feldman.Commitments) (feldman.Commitments, []byte, error) {
	share, err := m.open(dealer, m.self, m.unsealing, c)
	return c, share, err
}

// signed lists all commits and deals with their signatures.
func (m *State) signed() (out []signed) {
	for _, kind := range []Kind{Commit, Deal} {
		for _, msg := range m.messages[kind] {
			out = append(out, signed{msg.digest(), msg.Signature})
		}
	}
	return out
}

func (m *State) transcript() common.Hash {
	parts := [][]byte{[]byte(transcriptDomain), m.id[:]}
	for _, s := range m.signed() {
		parts = append(parts, s.Digest[:])
	}
	return crypto.Keccak256Hash(parts...)
}

// conclude compares all confirmations and puts the committee together.
func (m *State) conclude() []Effect {
	for i, payload := range m.decoded[Confirm] {
		if c := payload.(*confirmation); c.Transcript != m.result.Transcript {
			return m.equivocation(uint8(i), c)
		}
	}
	keys, err := m.ceremony.keys(feldman.Sum(m.commitments))
	if err == nil {
		err = m.result.Share.BelongsTo(keys)
	}
	if err == nil {
		m.result.Committee, err = m.ceremony.committee(keys)
	}
	if err != nil { // only if the sums cancel out: nobody can make them
		return m.fail(fmt.Errorf("%w: %w", ErrStopped, err))
	}
	m.phase = Finishing
	return []Effect{Enter{Finishing}, Stage{m.result}}
}

// keys are the public keys that the sum of all commitments gives.
func (c *Ceremony) keys(sum feldman.Commitments) (*seal.Keys, error) {
	shares := make([]seal.Point, len(c.Participants))
	for i := range shares {
		shares[i] = sum.Public(uint8(i))
	}
	return seal.NewKeys(c.ChainID, c.Threshold, sum.Secret(), shares)
}

func (c *Ceremony) committee(keys *seal.Keys) (*committee.Committee, error) {
	members := make([]common.Address, len(c.Participants))
	for i, p := range c.Participants {
		members[i] = p.Identity
	}
	return committee.New(c.FirstNumber, members, keys, c.Limits, c.Roles)
}

// publish waits for all finishes and for the acknowledgement of ours.
func (m *State) publish() []Effect {
	for i, payload := range m.decoded[Finish] {
		if payload.(*finish).Committee != m.result.Committee.Hash() {
			return m.fail(ErrResult, uint8(i))
		}
	}
	if slices.Contains(m.acknowledged, false) {
		return nil
	}
	m.phase = Done
	return append([]Effect{Publish{}}, m.say(Published, &finish{Committee: m.result.Committee.Hash()})...)
}

// equivocation finds who signed something else for the one who confirms another transcript.
func (m *State) equivocation(by uint8, c *confirmation) []Effect {
	n := len(m.ceremony.Participants)
	for i, ours := range m.signed() {
		sender, kind, theirs := uint8(i%n), Commit+Kind(i/n), c.Signed[i]
		if theirs.Digest != ours.Digest && m.ceremony.verifySigned(m.id, sender, kind, theirs) == nil {
			return m.fail(fmt.Errorf("%w: its %s", ErrEquivocal, kind), sender)
		}
	}
	return m.fail(ErrTranscript, by)
}

// complain shows the key that opens the bad share, so that everyone sees who is wrong.
func (m *State) complain(dealer uint8, reason error) []Effect {
	if dealer == m.self {
		return m.fail(errors.Join(ErrStopped, reason))
	}
	msg, err := m.sign(Complaint, &complaint{Dealer: dealer, Key: m.unsealing.Bytes()})
	if err != nil {
		return m.fail(reason, dealer)
	}
	return append([]Effect{Send{msg}}, m.end(reason, dealer)...)
}

// judge decides a complaint as soon as what it is about is here.
func (m *State) judge() []Effect {
	for i, payload := range m.decoded[Complaint] {
		if payload == nil {
			continue
		}
		said, by := payload.(*complaint), uint8(i)
		if m.decoded[Deal][said.Dealer] == nil || m.decoded[Commit][said.Dealer] == nil || m.decoded[Commit][by] == nil {
			continue
		}
		return m.verdict(said, by)
	}
	return nil
}

func (m *State) verdict(said *complaint, by uint8) []Effect {
	key, err := ecdh.X25519().NewPrivateKey(said.Key)
	if err != nil || string(key.PublicKey().Bytes()) != string(m.decoded[Commit][by].(*commitment).Key) {
		return m.fail(ErrComplaint, by)
	}
	c, err := m.commitmentsOf(said.Dealer)
	if err != nil {
		return m.fail(err, said.Dealer)
	}
	share, err := m.open(said.Dealer, by, key, c)
	clear(share)
	if err != nil {
		return m.fail(err, said.Dealer)
	}
	return m.fail(ErrComplaint, by)
}
