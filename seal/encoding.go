package seal

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Type is the first byte of a sealed transaction. 0x7e would be the deposit type of OP Stack tools.
const Type = 0x5e

// IsSealed tells whether raw bytes are a sealed transaction by their first byte. Nothing else of them is known to be right.
func IsSealed(raw []byte) bool { return len(raw) > 0 && raw[0] == Type }

// Sizes of a sealed transaction's parts.
const (
	KeyIDSize     = 8
	SignatureSize = 65
	// payloadOverhead is the seed in front of the padded transaction and the cipher's tag after it.
	payloadOverhead = SeedSize + 16
	// MaxBytes bounds an encoded sealed transaction: the largest payload, and all other fields with their prefixes.
	MaxBytes = maxPadded + payloadOverhead + 512
)

type (
	// ID identifies a sealed transaction, whoever signed it how. Pools, replication and deduplication use it.
	ID [32]byte
	// KeyID identifies a key within its chain.
	KeyID [KeyIDSize]byte
)

// Header is what everybody can read of a sealed transaction. The proof binds it.
type Header struct {
	ChainID   uint64
	Key       KeyID
	Submitter common.Address
	// Seq counts the submitter's sealed transactions.
	Seq uint64
	// Gas is an upper bound of the inner transaction's gas limit.
	Gas uint64
	// Fee is a lower bound of the inner transaction's fee cap, in wei for a unit of gas.
	Fee uint64
	// Expiry is the last blueprint number at which the transaction may be ordered.
	Expiry uint64
}

// Sealed is a sealed transaction whose encoding is in order. Nothing else of it is known to be: see Ring.Check. It does not
// change after Sign, so any number of goroutines may read it.
type Sealed struct {
	Header
	header              []byte // h: the header's RLP with its prefix
	u, uBar, w, wBar, f [32]byte
	payload             []byte
	signature           [SignatureSize]byte
	id                  ID
}

// appendFields appends the header's seven fields in RLP, without the list's prefix.
func (h *Header) appendFields(b []byte) []byte {
	b = rlp.AppendUint64(b, h.ChainID)
	b = appendString(b, h.Key[:])
	b = appendString(b, h.Submitter[:])
	for _, n := range [...]uint64{h.Seq, h.Gas, h.Fee, h.Expiry} {
		b = rlp.AppendUint64(b, n)
	}
	return b
}

// encode returns the header as a list of its own: the h of all formulas.
func (h *Header) encode() []byte { return appendList(nil, h.appendFields(nil)) }

// appendBound appends the first thirteen fields: all but the signature.
func (s *Sealed) appendBound(b []byte) []byte {
	b = s.appendFields(b)
	for _, field := range [...][]byte{s.u[:], s.uBar[:], s.w[:], s.wBar[:], s.f[:], s.payload} {
		b = appendString(b, field)
	}
	return b
}

// computeID is keccak256(Type ‖ RLP of the first thirteen fields).
func (s *Sealed) computeID() ID {
	bound := s.appendBound(make([]byte, 0, len(s.payload)+512))
	return ID(crypto.Keccak256(appendList([]byte{Type}, bound)))
}

// ID returns keccak256(Type ‖ RLP of all fields but the signature).
func (s *Sealed) ID() ID { return s.id }

// PayloadBytes is the length of the encrypted payload.
func (s *Sealed) PayloadBytes() int { return len(s.payload) }

// Encode returns the bytes that Parse reads.
func (s *Sealed) Encode() []byte {
	fields := s.appendBound(make([]byte, 0, len(s.payload)+512))
	fields = appendString(fields, s.signature[:])
	return appendList(append(make([]byte, 0, len(fields)+5), Type), fields)
}

// appendString appends a string longer than one byte, or any string, in its shortest form.
func appendString(b, s []byte) []byte {
	if len(s) == 1 && s[0] < 0x80 {
		return append(b, s[0])
	}
	return append(appendPrefix(b, 0x80, len(s)), s...)
}

func appendList(b, content []byte) []byte {
	return append(appendPrefix(b, 0xc0, len(content)), content...)
}

// appendPrefix appends RLP's prefix of a string (0x80) or a list (0xc0).
func appendPrefix(b []byte, kind byte, size int) []byte {
	if size < 56 {
		return append(b, kind+byte(size))
	}
	at := len(b)
	b = append(b, 0)
	for shift := 24; shift >= 0; shift -= 8 {
		if digit := byte(size >> shift); digit != 0 || len(b) > at+1 {
			b = append(b, digit)
		}
	}
	b[at] = kind + 55 + byte(len(b)-at-1)
	return b
}
