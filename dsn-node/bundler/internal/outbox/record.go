package outbox

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/chacha20poly1305"
)

var (
	// ErrOtherKey says that the records were written under another key, or were changed.
	ErrOtherKey = errors.New("the outbox was written under another identity key, or is damaged")
	// ErrFormat1 says that the records are those of blindseq 0.1.
	ErrFormat1 = errors.New("the outbox is one of blindseq 0.1, whose bundles no chain of this version accepts: use another --data-dir")
)

// Content is what an item carries.
type Content struct {
	Raw    []byte // the plain transaction
	Sealed []byte // empty while it is queued
}

type record struct {
	Item    Item
	Content Content
	Use     Use
}

// cipherOf makes the key of the records from the submitter's key.
func cipherOf(key *ecdsa.PrivateKey) (cipher.AEAD, error) {
	secret := crypto.FromECDSA(key)
	defer clear(secret)
	derived, err := hkdf.Key(sha256.New, secret, nil, "blindseq/bundler/outbox/v2", chacha20poly1305.KeySize)
	defer clear(derived)
	if err != nil {
		return nil, fmt.Errorf("derive key of records: %w", err)
	}
	return chacha20poly1305.NewX(derived)
}

// encode encrypts a record for its place.
func (b *Box) encode(place []byte, r any) ([]byte, error) {
	plain, err := rlp.EncodeToBytes(r)
	defer clear(plain)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return b.aead.Seal(nonce, nonce, plain, place), nil
}

// decode decrypts what stands at a place.
func (b *Box) decode(place, value []byte, r any) error {
	if len(value) < chacha20poly1305.NonceSizeX {
		return ErrOtherKey
	}
	plain, err := b.aead.Open(nil, value[:chacha20poly1305.NonceSizeX], value[chacha20poly1305.NonceSizeX:], place)
	if err != nil {
		return ErrOtherKey
	}
	return rlp.DecodeBytes(plain, r)
}

// state is what is kept beside the items.
type state struct {
	last    uint64 // number given to an item
	next    uint64 // seq
	ordered uint64 // blueprint number at which one of ours was ordered last, as far as known; 0 for never
}

func (s state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.last)
	b = binary.BigEndian.AppendUint64(b, s.next)
	return binary.BigEndian.AppendUint64(b, s.ordered)
}

func decodeState(b []byte) (s state, err error) {
	switch len(b) {
	case 24:
		return state{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}, nil
	case 8:
		return s, ErrFormat1
	}
	return s, errors.New("damaged state")
}
