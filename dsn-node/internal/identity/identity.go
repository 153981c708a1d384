// Package identity keeps the key a keyholder signs with: in a file that only its owner can open, as bare hex or, with a
// passphrase, in Ethereum's keystore format (version 3), which other tools read too.
package identity

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"blindseq/kit/secretfile"
	"blindseq/seal/keyfile"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"
)

const maxFileBytes = 64 << 10

// Read reads a key.
func Read(path string, passphrase []byte) (*ecdsa.PrivateKey, error) {
	key, err := read(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("read identity key %s: %w", path, err)
	}
	return key, nil
}

func read(path string, passphrase []byte) (*ecdsa.PrivateKey, error) {
	b, err := readPrivate(path)
	defer clear(b)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSpace(b)
	if sealed := len(b) > 0 && b[0] == '{'; sealed {
		if len(passphrase) == 0 {
			return nil, keyfile.ErrEncrypted
		}
		key, err := keystore.DecryptKey(b, string(passphrase))
		if errors.Is(err, keystore.ErrDecrypt) {
			return nil, keyfile.ErrPassphrase
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", keyfile.ErrFormat, err)
		}
		return key.PrivateKey, nil
	}
	if len(passphrase) > 0 {
		return nil, keyfile.ErrNotEncrypted
	}
	key, err := crypto.HexToECDSA(string(bytes.TrimPrefix(b, []byte("0x"))))
	if err != nil {
		return nil, keyfile.ErrFormat // the library's error could quote the key
	}
	return key, nil
}

// readPrivate reads a file that others cannot open.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := secretfile.Check(info); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = keyfile.ErrFormat
	}
	return b, err
}

// Write writes a key to a new file with mode 0600; one that is there stays as it is.
func Write(path string, key *ecdsa.PrivateKey, passphrase []byte) error {
	if err := write(path, key, passphrase, keystore.StandardScryptN); err != nil {
		return fmt.Errorf("write identity key: %w", err)
	}
	return nil
}

func write(path string, key *ecdsa.PrivateKey, passphrase []byte, cost int) error {
	b, err := encode(key, passphrase, cost)
	defer clear(b)
	if err != nil {
		return err
	}
	return writePrivate(path, b)
}

func encode(key *ecdsa.PrivateKey, passphrase []byte, cost int) ([]byte, error) {
	if len(passphrase) == 0 {
		secret := crypto.FromECDSA(key)
		defer clear(secret)
		return append(hex.AppendEncode(nil, secret), '\n'), nil
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	wrapped := &keystore.Key{Id: id, Address: crypto.PubkeyToAddress(key.PublicKey), PrivateKey: key}
	return keystore.EncryptKey(wrapped, string(passphrase), cost, keystore.StandardScryptP)
}

func writePrivate(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// ReadPassphrase reads a passphrase from a file: its first line. No file, no passphrase.
func ReadPassphrase(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read passphrase %s: %w", path, err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, fmt.Errorf("read passphrase %s: it is empty", path)
	}
	return line, nil
}
