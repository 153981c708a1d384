package blueprint

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/blake2b"
)

// maxSignedBytes bounds a signed chunk: the piece, 4 fixed-width fields and RLP headers.
const maxSignedBytes = MaxChunkBytes + 3 + 33 + 3 + 3 + 66 + 3

// ErrSignature is returned for a chunk that the expected key did not sign.
var ErrSignature = errors.New("chunk signature does not match the sequencer's key")

// unsigned is a chunk as it is signed. Numbers are little-endian strings of fixed width.
type unsigned struct {
	Value  []byte
	Number [32]byte
	Count  [2]byte
	Index  [2]byte
}

type signed struct {
	Value     []byte
	Number    [32]byte
	Count     [2]byte
	Index     [2]byte
	Signature [ed25519.SignatureSize]byte
}

// Chunk is one piece of an encoded blueprint.
type Chunk struct {
	Value     []byte
	Number    uint64 // of the blueprint
	Count     int    // chunks of the blueprint
	Index     int    // from 0
	Signature [ed25519.SignatureSize]byte
}

// Sign encodes b as blueprint number and returns the RLP of its signed chunks, 1 to MaxChunks.
func Sign(key ed25519.PrivateKey, number uint64, b Blueprint) ([][]byte, error) {
	raw, err := b.Encode()
	if err != nil {
		return nil, err
	}
	count := (len(raw) + MaxChunkBytes - 1) / MaxChunkBytes
	chunks := make([][]byte, 0, count)
	for i := range count {
		piece := raw[i*MaxChunkBytes : min((i+1)*MaxChunkBytes, len(raw))]
		chunk, err := signChunk(key, Chunk{Value: piece, Number: number, Count: count, Index: i})
		if err != nil {
			return nil, fmt.Errorf("sign chunk %d of blueprint %d: %w", i, number, err)
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

func signChunk(key ed25519.PrivateKey, c Chunk) ([]byte, error) {
	u := c.unsigned()
	digest, err := u.digest()
	if err != nil {
		return nil, err
	}
	s := signed{Value: u.Value, Number: u.Number, Count: u.Count, Index: u.Index}
	copy(s.Signature[:], ed25519.Sign(key, digest[:]))
	return rlp.EncodeToBytes(&s)
}

// DecodeChunk reads a signed chunk and checks its signature.
func DecodeChunk(key ed25519.PublicKey, raw []byte) (Chunk, error) {
	c, err := readChunk(raw)
	if err != nil {
		return Chunk{}, err
	}
	u := c.unsigned()
	digest, err := u.digest()
	if err != nil {
		return Chunk{}, err
	}
	if !ed25519.Verify(key, digest[:], c.Signature[:]) {
		return Chunk{}, ErrSignature
	}
	return c, nil
}

// readChunk reads a signed chunk and leaves its signature unchecked.
func readChunk(raw []byte) (Chunk, error) {
	if len(raw) > maxSignedBytes {
		return Chunk{}, fmt.Errorf("%w: chunk of %d bytes", ErrTooLarge, len(raw))
	}
	var s signed
	if err := rlp.DecodeBytes(raw, &s); err != nil {
		return Chunk{}, fmt.Errorf("%w: chunk: %w", ErrMalformed, err)
	}
	c := Chunk{
		Value:     s.Value,
		Number:    binary.LittleEndian.Uint64(s.Number[:8]),
		Count:     int(binary.LittleEndian.Uint16(s.Count[:])),
		Index:     int(binary.LittleEndian.Uint16(s.Index[:])),
		Signature: s.Signature,
	}
	switch {
	case !bytes.Equal(s.Number[8:], make([]byte, 24)):
		return Chunk{}, fmt.Errorf("%w: chunk number over 64 bits", ErrMalformed)
	case c.Count == 0 || c.Count > MaxChunks || c.Index >= c.Count:
		return Chunk{}, fmt.Errorf("%w: chunk %d of %d", ErrMalformed, c.Index, c.Count)
	case len(c.Value) > MaxChunkBytes:
		return Chunk{}, fmt.Errorf("%w: chunk holds %d bytes, at most %d", ErrMalformed, len(c.Value), MaxChunkBytes)
	}
	return c, nil
}

// Open reads what Sign gave: the chunks of one blueprint, in order.
func Open(key ed25519.PublicKey, chunks [][]byte) (number uint64, b Blueprint, err error) {
	return open(chunks, func(raw []byte) (Chunk, error) { return DecodeChunk(key, raw) })
}

// OpenUnverified reads the chunks of one blueprint, in order, whoever signed them.
func OpenUnverified(chunks [][]byte) (number uint64, b Blueprint, err error) {
	return open(chunks, readChunk)
}

func open(chunks [][]byte, decode func([]byte) (Chunk, error)) (number uint64, b Blueprint, err error) {
	if len(chunks) == 0 || len(chunks) > MaxChunks {
		return 0, b, fmt.Errorf("%w: %d chunks", ErrMalformed, len(chunks))
	}
	var raw []byte
	for i, encoded := range chunks {
		c, err := decode(encoded)
		if err != nil {
			return 0, b, fmt.Errorf("chunk %d: %w", i, err)
		}
		if i == 0 {
			number = c.Number
		}
		if c.Number != number || c.Count != len(chunks) || c.Index != i {
			return 0, b, fmt.Errorf("%w: chunk %d of %d of blueprint %d where %d of %d of %d was due",
				ErrMalformed, c.Index, c.Count, c.Number, i, len(chunks), number)
		}
		if i < len(chunks)-1 && len(c.Value) != MaxChunkBytes {
			return 0, b, fmt.Errorf("%w: chunk %d is not full and not the last", ErrMalformed, i)
		}
		raw = append(raw, c.Value...)
	}
	b, err = Decode(raw)
	return number, b, err
}

func (c Chunk) unsigned() unsigned {
	u := unsigned{Value: c.Value}
	binary.LittleEndian.PutUint64(u.Number[:8], c.Number)
	binary.LittleEndian.PutUint16(u.Count[:], uint16(c.Count))
	binary.LittleEndian.PutUint16(u.Index[:], uint16(c.Index))
	return u
}

// digest is what is signed: Blake2b-256 of the unsigned RLP.
func (u *unsigned) digest() ([32]byte, error) {
	raw, err := rlp.EncodeToBytes(u)
	if err != nil {
		return [32]byte{}, err
	}
	return blake2b.Sum256(raw), nil
}
