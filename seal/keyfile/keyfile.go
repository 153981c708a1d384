// Package keyfile keeps a keyholder's secret share in a file that only its owner can read, optionally encrypted with a
// passphrase.
//
// It guarantees that a secret never is in a file that others can open (0600 is set before the first byte is written, and
// asked for when reading), that a share is never written over another file, and that a file is whole or not there.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"blindseq/kit/secretfile"
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

// maxFileBytes bounds what is read; a key share is under 1 KiB.
const maxFileBytes = 64 << 10

func readAll(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("%w: over %d bytes", ErrFormat, maxFileBytes)
	}
	return b, err
}

// write makes a whole file of mode 0600 beside its place, then links it there, which refuses to replace a file.
func write(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
