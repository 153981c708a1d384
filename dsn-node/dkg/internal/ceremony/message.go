package ceremony

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	messageDomain    = "blindseq/dkg/message/v1"
	transcriptDomain = "blindseq/dkg/transcript/v1"
	// MaxPayloadBytes bounds a message; a confirmation among 255 participants has 52 KiB.
	MaxPayloadBytes = 256 << 10
	maxReasonBytes  = 512
	keyBytes        = 32
	sealedBytes     = 32 + seal.ScalarSize + 16
)

// Refusals of a message; nothing was changed.
var (
	// ErrMalformed says that a message is none of this protocol.
	ErrMalformed = errors.New("malformed message")
	// ErrOtherCeremony says that a message is of another ceremony.
	ErrOtherCeremony = errors.New("message of another ceremony: the ceremony files differ")
	// ErrNotSigned says that a message is not signed by its sender.
	ErrNotSigned = errors.New("message not signed by its sender")
)

// Kind of a message. The numbers are those on the wire.
type Kind uint8

const (
	Commit Kind = iota + 1
	Deal
	Confirm
	Finish
	Complaint
	Abort
	Published
	kinds
)

func (k Kind) String() string {
	if k < Commit || k >= kinds {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return [...]string{"commit", "deal", "confirmation", "finish", "complaint", "abort", "publication"}[k-1]
}

// Message is one signed step of one participant; what the payloads are is said in blindseq/dkg/v1.
type Message struct {
	Ceremony  common.Hash
	Sender    uint8
	Kind      Kind
	Payload   []byte
	Signature Signature
}

type (
	commitment struct {
		Key  []byte
		Hash common.Hash
	}
	deal struct {
		Commitments [][]byte
		Sealed      [][]byte
	}
	confirmation struct {
		Transcript common.Hash
		Signed     []signed
	}
	signed struct {
		Digest    common.Hash
		Signature Signature
	}
	finish    struct{ Committee common.Hash } // also of Published
	complaint struct {
		Dealer uint8
		Key    []byte
	}
	abort struct {
		Reason   string
		Finished bool // its finish was sent before
	}
)

// sign makes a message.
func (m *State) sign(kind Kind, payload any) (*Message, error) {
	b, err := rlp.EncodeToBytes(payload)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return Sign(m.key, m.id, m.self, kind, b)
}

// Sign signs a payload as a participant.
func Sign(key *ecdsa.PrivateKey, id common.Hash, sender uint8, kind Kind, payload []byte) (*Message, error) {
	digest := signedDigest(id, sender, kind, crypto.Keccak256Hash(payload))
	signature, err := signDigest(key, digest)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", kind, err)
	}
	return &Message{Ceremony: id, Sender: sender, Kind: kind, Payload: payload, Signature: signature}, nil
}

func signedDigest(id common.Hash, sender uint8, kind Kind, payload common.Hash) common.Hash {
	return crypto.Keccak256Hash([]byte(messageDomain), id[:], []byte{sender, byte(kind)}, payload[:])
}

func (msg *Message) digest() common.Hash { return crypto.Keccak256Hash(msg.Payload) }

// Verify checks that a message is of this ceremony, well formed on the outside and signed by its sender.
func (c *Ceremony) Verify(id common.Hash, msg *Message) error {
	switch {
	case msg.Ceremony != id:
		return ErrOtherCeremony
	case int(msg.Sender) >= len(c.Participants):
		return fmt.Errorf("%w: there is no participant %d", ErrMalformed, msg.Sender)
	case msg.Kind < Commit || msg.Kind >= kinds:
		return fmt.Errorf("%w: %s", ErrMalformed, msg.Kind)
	case len(msg.Payload) > MaxPayloadBytes:
		return fmt.Errorf("%w: a payload of %d bytes", ErrMalformed, len(msg.Payload))
	}
	return c.verifySigned(id, msg.Sender, msg.Kind, signed{msg.digest(), msg.Signature})
}

func (c *Ceremony) verifySigned(id common.Hash, sender uint8, kind Kind, s signed) error {
	got, err := s.Signature.signer(signedDigest(id, sender, kind, s.Digest))
	if err != nil {
		return fmt.Errorf("%w: %s of participant %d: %w", ErrNotSigned, kind, sender, err)
	}
	if got != c.Participants[sender].Identity {
		return fmt.Errorf("%w: %s of participant %d", ErrNotSigned, kind, sender)
	}
	return nil
}

// decode reads a payload of n participants and checks its sizes; RLP takes the one canonical encoding only.
func decode(msg *Message, n int) (any, error) {
	var out any
	fits := func() bool { return true }
	switch msg.Kind {
	case Commit:
		p := new(commitment)
		out, fits = p, func() bool { return len(p.Key) == keyBytes }
	case Deal:
		p := new(deal)
		out, fits = p, func() bool { return len(p.Sealed) == n && allOf(p.Sealed, sealedBytes) && len(p.Commitments) <= n }
	case Confirm:
		p := new(confirmation)
		out, fits = p, func() bool { return len(p.Signed) == 2*n }
	case Finish, Published:
		out = new(finish)
	case Complaint:
		p := new(complaint)
		out, fits = p, func() bool { return int(p.Dealer) < n && p.Dealer != msg.Sender && len(p.Key) == keyBytes }
	case Abort:
		p := new(abort)
		out, fits = p, func() bool { return len(p.Reason) <= maxReasonBytes }
	default:
		return nil, fmt.Errorf("%w: %s", ErrMalformed, msg.Kind)
	}
	if err := rlp.DecodeBytes(msg.Payload, out); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, msg.Kind, err)
	}
	if !fits() {
		return nil, fmt.Errorf("%w: %s has parts of wrong sizes", ErrMalformed, msg.Kind)
	}
	return out, nil
}

func allOf(list [][]byte, size int) bool {
	for _, b := range list {
		if len(b) != size {
			return false
		}
	}
	return true
}
