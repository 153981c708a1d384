package te

import (
	"errors"
	"fmt"
	"io"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/chacha20"
)

// payloadNonce is the ChaCha20 nonce, fixed by the format: a key must never be used for two payloads.
const payloadNonce = "etherlinkftw"

// Payload is what a bundle carries: transactions under one ChaCha20 key, and that key's ciphertext.
type Payload struct {
	Txs        []EncryptedTx
	Ciphertext *Ciphertext
}

// EncryptedTx is one transaction. Hash is that of the plain bytes, under which a wallet knows it.
type EncryptedTx struct {
	Data []byte
	Hash common.Hash
}

type wirePayload struct {
	Txs        []EncryptedTx
	Ciphertext *wireCiphertext
}

// Encrypt encrypts one transaction for a master public key, with the randomness of rand, which must be crypto/rand's
// Reader but for tests.
func Encrypt(rand io.Reader, to MasterPublicKey, tx []byte) (*Payload, error) {
	if len(tx) == 0 || len(tx) > MaxTxBytes {
		return nil, fmt.Errorf("encrypt transaction: %w: %d bytes", ErrTooLarge, len(tx))
	}
	if to.point.IsInfinity() {
		return nil, fmt.Errorf("encrypt transaction: %w: no master public key", ErrKeys)
	}
	var key [chacha20.KeySize]byte
	var r fr.Element
	defer func() { key, r = [chacha20.KeySize]byte{}, fr.Element{} }()
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, fmt.Errorf("encrypt transaction: read randomness: %w", err)
	}
	if err := randomScalar(rand, &r); err != nil {
		return nil, fmt.Errorf("encrypt transaction: %w", err)
	}
	p, err := seal(to, &key, &r, [][]byte{tx})
	if err != nil {
		return nil, fmt.Errorf("encrypt transaction: %w", err)
	}
	return p, nil
}

// seal encrypts transactions under a key and the key with the scalar r.
func seal(to MasterPublicKey, key *[chacha20.KeySize]byte, r *fr.Element, txs [][]byte) (*Payload, error) {
	p := &Payload{Txs: make([]EncryptedTx, len(txs))}
	for i, tx := range txs {
		data, err := crypt(key, tx)
		if err != nil {
			return nil, err
		}
		p.Txs[i] = EncryptedTx{Data: data, Hash: crypto.Keccak256Hash(tx)}
	}
	g1 := generatorG1()
	c := &Ciphertext{PayloadHash: p.hash(), KeyHash: crypto.Keccak256Hash(key[:]), u: mulG1(&g1, r)}
	y := mulG1(&to.point, r)
	c.EncryptedKey = mask(&y, *key)
	h, err := c.proofBase()
	if err != nil {
		return nil, err
	}
	c.w = mulG2(&h, r)
	p.Ciphertext = c
	return p, nil
}

// crypt encrypts or decrypts one transaction.
func crypt(key *[chacha20.KeySize]byte, tx []byte) ([]byte, error) {
	stream, err := chacha20.NewUnauthenticatedCipher(key[:], []byte(payloadNonce))
	if err != nil {
		return nil, fmt.Errorf("set up ChaCha20: %w", err)
	}
	out := make([]byte, len(tx))
	stream.XORKeyStream(out, tx)
	return out, nil
}

// hash is the payload hash: keccak256 over the transaction hashes.
func (p *Payload) hash() common.Hash {
	hashes := make([]byte, 0, len(p.Txs)*common.HashLength)
	for _, tx := range p.Txs {
		hashes = append(hashes, tx.Hash[:]...)
	}
	return crypto.Keccak256Hash(hashes)
}

// DecodePayload reads a payload.
func DecodePayload(b []byte) (*Payload, error) {
	if len(b) > MaxBundleBytes {
		return nil, fmt.Errorf("decode payload: %w: %d bytes", ErrTooLarge, len(b))
	}
	var wire wirePayload
	if err := rlp.DecodeBytes(b, &wire); err != nil {
		return nil, fmt.Errorf("decode payload: %w: %w", ErrMalformed, err)
	}
	return wire.open()
}

func (w *wirePayload) open() (*Payload, error) {
	if n := len(w.Txs); n == 0 {
		return nil, fmt.Errorf("decode payload: %w: no transactions", ErrMalformed)
	} else if n > MaxPayloadTxs {
		return nil, fmt.Errorf("decode payload: %w: %d transactions", ErrTooLarge, n)
	}
	for i, tx := range w.Txs {
		if len(tx.Data) == 0 {
			return nil, fmt.Errorf("decode payload: %w: transaction %d is empty", ErrMalformed, i)
		}
		if len(tx.Data) > MaxTxBytes {
			return nil, fmt.Errorf("decode payload: transaction %d: %w: %d bytes", i, ErrTooLarge, len(tx.Data))
		}
	}
	p := &Payload{Txs: w.Txs}
	// Before the points: it costs a thousandth, and a ciphertext moved under other transactions is caught here.
	if p.hash() != w.Ciphertext.PayloadHash {
		return nil, fmt.Errorf("decode payload: %w", ErrPayloadHash)
	}
	c, err := w.Ciphertext.open()
	if err != nil {
		return nil, fmt.Errorf("decode payload: %w", err)
	}
	p.Ciphertext = c
	return p, nil
}

// Encode writes the payload.
func (p *Payload) Encode() []byte { return encode(p.wire()) }

func (p *Payload) wire() *wirePayload { return &wirePayload{p.Txs, p.Ciphertext.wire()} }

// Decrypt returns the transactions. With ErrKeyHash there are none. With ErrTxHash those whose hash differs are nil and
// the others are good. Neither is the keyholders' fault if the opening was verified: the sender made it so.
func (p *Payload) Decrypt(o *Opening) ([][]byte, error) {
	key, err := o.key(p.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("decrypt payload: %w", err)
	}
	defer clear(key[:])
	txs := make([][]byte, len(p.Txs))
	var wrong []error
	for i, tx := range p.Txs {
		if txs[i], err = crypt(&key, tx.Data); err != nil {
			return nil, fmt.Errorf("decrypt payload: %w", err)
		}
		if crypto.Keccak256Hash(txs[i]) != tx.Hash {
			txs[i] = nil
			wrong = append(wrong, fmt.Errorf("decrypt transaction %d: %w", i, ErrTxHash))
		}
	}
	return txs, errors.Join(wrong...)
}
