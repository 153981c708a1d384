package keyfile

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"blindseq/kit/secretfile"
	"blindseq/seal/te"
)

// shareFile is a keyholder's key file. Exactly one of Secret and Encrypted is there.
type shareFile struct {
	Version   int           `json:"version"`
	Authority uint8         `json:"authority"`
	G1        hexutil.Bytes `json:"g1"`
	G2        hexutil.Bytes `json:"g2"`
	Secret    hexBytes      `json:"secret,omitempty"`
	Encrypted *sealed       `json:"encrypted,omitempty"`
}

const version = 1

// hexBytes are secret bytes as hex. Unlike a string they can be overwritten.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// WriteShare writes a key share to a new file with mode 0600, encrypted if there is a passphrase. It fails if there
// already is a file: a share that is written over is lost.
func WriteShare(path string, share *te.KeyShare, passphrase []byte) error {
	if err := writeShare(path, share, passphrase, defaultCost); err != nil {
		return fmt.Errorf("write key share: %w", err)
	}
	return nil
}

func writeShare(path string, share *te.KeyShare, passphrase []byte, cost scryptCost) error {
	secret, err := share.AppendSecret(make([]byte, 0, te.ScalarSize))
	if err != nil {
		return err
	}
	defer clear(secret)
	g1, g2 := share.Public().G1(), share.Public().G2()
	file := shareFile{Version: version, Authority: share.Authority(), G1: g1[:], G2: g2[:]}
	if len(passphrase) > 0 {
		file.Encrypted, err = seal(passphrase, secret, file.header(), cost)
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
	return write(path, b, 0o600, os.Link)
}

// ReadShare reads a key share, from a file that others cannot open, and checks it against its public half.
func ReadShare(path string, passphrase []byte) (*te.KeyShare, error) {
	share, err := readShare(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("read key share %s: %w", path, err)
	}
	return share, nil
}

func readShare(path string, passphrase []byte) (*te.KeyShare, error) {
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

func decodeShare(b, passphrase []byte) (*te.KeyShare, error) {
	var file shareFile
	if json.Unmarshal(b, &file) != nil || file.Version != version { // its error could quote the secret
		return nil, ErrFormat
	}
	secret, err := file.open(passphrase)
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	public, err := te.NewPublicShare(file.Authority, file.G1, file.G2)
	if err != nil {
		return nil, err
	}
	return te.RestoreKeyShare(public, secret)
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
	out := []byte{byte(f.Version), f.Authority}
	return append(append(out, f.G1...), f.G2...)
}
