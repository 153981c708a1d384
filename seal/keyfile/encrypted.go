package keyfile

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

// encrypted is a secret under a passphrase: scrypt makes the key, XChaCha20-Poly1305 encrypts and authenticates.
type encrypted struct {
	Scheme     string        `json:"scheme"`
	LogN       int           `json:"log_n"`
	Salt       hexutil.Bytes `json:"salt"`
	Nonce      hexutil.Bytes `json:"nonce"`
	Ciphertext hexutil.Bytes `json:"ciphertext"`
}

const (
	scheme    = "scrypt-xchacha20poly1305"
	saltBytes = 32
	scryptR   = 8
	scryptP   = 1
)

// scryptCost is the logarithm of scrypt's N. Each step doubles time and memory; 17 takes 128 MiB.
type scryptCost int

const (
	defaultCost scryptCost = 17
	lowestCost  scryptCost = 10
	highestCost scryptCost = 18
)

func encrypt(passphrase, secret, header []byte, cost scryptCost) (*encrypted, error) {
	s := &encrypted{Scheme: scheme, LogN: int(cost), Salt: make([]byte, saltBytes), Nonce: make([]byte, chacha20poly1305.NonceSizeX)}
	for _, b := range [][]byte{s.Salt, s.Nonce} {
		if _, err := rand.Read(b); err != nil {
			return nil, fmt.Errorf("read randomness: %w", err)
		}
	}
	aead, err := s.cipher(passphrase)
	if err != nil {
		return nil, err
	}
	s.Ciphertext = aead.Seal(nil, s.Nonce, secret, header)
	return s, nil
}

// open checks the cost before paying it: a file must not be able to ask for all memory.
func (s *encrypted) open(passphrase, header []byte) ([]byte, error) {
	cost := scryptCost(s.LogN)
	if s.Scheme != scheme || cost < lowestCost || cost > highestCost || len(s.Salt) != saltBytes ||
		len(s.Nonce) != chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: unknown encryption", ErrFormat)
	}
	aead, err := s.cipher(passphrase)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, s.Nonce, s.Ciphertext, header)
	if err != nil {
		return nil, ErrPassphrase
	}
	return secret, nil
}

func (s *encrypted) cipher(passphrase []byte) (cipher.AEAD, error) {
	key, err := scrypt.Key(passphrase, s.Salt, 1<<s.LogN, scryptR, scryptP, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	defer clear(key)
	return chacha20poly1305.NewX(key)
}
