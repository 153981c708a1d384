// Package keyfile keeps the keys of package te in files: a keyholder's secret share in one that only its owner can read,
// optionally encrypted with a passphrase, and a committee's public keys in one that anyone may read.
//
// It guarantees that a secret never is in a file that others can open (0600 is set before the first byte is written, and
// asked for when reading), that a share is never written over another file, and that a file is whole or not there.
package keyfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"blindseq/kit/secretfile"
	"blindseq/seal/te"
)

// What can be wrong with a key file.
var (
	// ErrPermissions: others can open the file, in a way that package secretfile does not allow.
	ErrPermissions = secretfile.ErrExposed
	// ErrPassphrase: the passphrase is wrong, or the file was changed.
	ErrPassphrase = errors.New("wrong passphrase or damaged file")
	// ErrEncrypted: the file needs a passphrase and none was given.
	ErrEncrypted = errors.New("file is encrypted: passphrase needed")
	// ErrNotEncrypted: a passphrase was given for a file that has none.
	ErrNotEncrypted = errors.New("file is not encrypted")
	// ErrFormat: not a key file of a known version.
	ErrFormat = errors.New("not a key file")
)

// maxFileBytes bounds what is read; the public keys of 255 keyholders are under 100 KiB.
const maxFileBytes = 1 << 20

// WritePublicKeys writes a committee's public keys, replacing the file if there is one.
func WritePublicKeys(path string, keys *te.PublicKeys) error {
	b, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return fmt.Errorf("write public keys: %w", err)
	}
	if err := write(path, append(b, '\n'), 0o644, os.Rename); err != nil {
		return fmt.Errorf("write public keys: %w", err)
	}
	return nil
}

// ReadPublicKeys reads a committee's public keys and checks that they belong together.
func ReadPublicKeys(path string) (*te.PublicKeys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	defer f.Close()
	b, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	keys := new(te.PublicKeys)
	if err := json.Unmarshal(b, keys); err != nil {
		return nil, fmt.Errorf("read public keys %s: %w: %w", path, ErrFormat, err)
	}
	return keys, nil
}

func readAll(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("%w: over %d bytes", ErrFormat, maxFileBytes)
	}
	return b, err
}

// write makes a whole file beside its place, then puts it there: os.Rename replaces what is there, os.Link refuses to.
func write(path string, b []byte, mode os.FileMode, place func(from, to string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // already gone after a rename
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
