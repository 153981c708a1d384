package keyfile

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"blindseq/kit/secretfile"
	"blindseq/seal"
)

// shareFile is a keyholder's key file. Exactly one of Secret and Encrypted is there.
type shareFile struct {
	Version   int        `json:"version"`
	Authority uint8      `json:"authority"`
	Public    seal.Point `json:"public"`
	Secret    hexBytes   `json:"secret,omitempty"`
	Encrypted *encrypted `json:"encrypted,omitempty"`
}

const version = 2

// hexBytes are secret bytes as hex. Unlike a string they can be overwritten.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// WriteShare writes a key share to a new file with mode 0600, encrypted if there is a passphrase. It fails if there
// already is a file: a share that is written over is lost.
func WriteShare(path string, share *seal.Secret, passphrase []byte) error {
	if err := writeShare(path, share, passphrase, defaultCost); err != nil {
		return fmt.Errorf("write key share: %w", err)
	}
	return nil
}

func writeShare(path string, share *seal.Secret, passphrase []byte, cost scryptCost) error {
	secret, err := share.Append(make([]byte, 0, seal.ScalarSize))
	if err != nil {
		return err
	}
	defer clear(secret)
	file := shareFile{Version: version, Authority: share.Authority(), Public: share.Public()}
	if len(passphrase) > 0 {
		file.Encrypted, err = encrypt(passphrase, secret, file.header(), cost)
		if err != nil {
			return err
		}
	} else {
		file.Secret = secret
	}
	b, err := json.MarshalIndent(&file, "", "  ")
	defer clear(b)
	if err != nil {
		return err
	}
	return write(path, b)
}

// ReadShare reads a key share, from a file that others cannot open, and checks it against its public half.
func ReadShare(path string, passphrase []byte) (*seal.Secret, error) {
	share, err := readShare(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("read key share %s: %w", path, err)
	}
	return share, nil
}

func readShare(path string, passphrase []byte) (*seal.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if err := secretfile.Check(info); err != nil {
		return nil, err
	}
	b, err := readAll(f)
	defer clear(b)
	if err != nil {
		return nil, err
	}
	return decodeShare(b, passphrase)
}

func decodeShare(b, passphrase []byte) (*seal.Secret, error) {
	var file shareFile
	err := json.Unmarshal(b, &file) // its error could quote the secret
	switch {
	case file.Version == 1:
		return nil, fmt.Errorf("%w: it is a key share of blindseq 0.1, for another scheme: make new keys with `dsn-node keygen` or `dsn-node dkg`", ErrFormat)
	case err != nil || file.Version != version:
		return nil, ErrFormat
	}
	secret, err := file.open(passphrase)
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	share, err := seal.NewSecret(file.Authority, secret)
	if err != nil {
		return nil, err
	}
	if share.Public() != file.Public {
		return nil, fmt.Errorf("%w: another public key than the file names", seal.ErrSecret)
	}
	return share, nil
}

// open returns the secret.
func (f *shareFile) open(passphrase []byte) ([]byte, error) {
	switch {
	case f.Encrypted == nil && len(f.Secret) == 0, f.Encrypted != nil && len(f.Secret) != 0:
		return f.Secret, ErrFormat
	case f.Encrypted == nil && len(passphrase) > 0:
		return f.Secret, ErrNotEncrypted
	case f.Encrypted == nil:
		return f.Secret, nil
	case len(passphrase) == 0:
		return nil, ErrEncrypted
	}
	return f.Encrypted.open(passphrase, f.header())
}

// header is what the encryption authenticates beside the secret.
func (f *shareFile) header() []byte {
	return append([]byte{byte(f.Version), f.Authority}, f.Public[:]...)
}
