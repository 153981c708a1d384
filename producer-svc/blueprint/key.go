package blueprint

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"blindseq/kit/secretfile"
)

// ErrNoKey is returned when there is no key file.
var ErrNoKey = errors.New("no sequencer key file")

// LoadKey reads a key file as CreateKey writes it. The file must be closed to others, as package secretfile says. No error holds any
// of the file's bytes.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s; create one with `producer-svc --create-sequencer-key`", ErrNoKey, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open sequencer key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read sequencer key: %w", err)
	}
	if err := secretfile.Check(info); err != nil {
		return nil, fmt.Errorf("read sequencer key %s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("read sequencer key: %w", err)
	}
	seed, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(seed) != ed25519.SeedSize { // err would quote a byte of the key
		return nil, fmt.Errorf("read sequencer key %s: not %d hex digits", path, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// CreateKey writes a new random key to a file that must not exist yet, mode 0600: the 32-byte Ed25519 seed in hex.
func CreateKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate sequencer key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create sequencer key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%x\n", key.Seed())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write sequencer key %s: %w", path, err)
	}
	return key, nil
}
