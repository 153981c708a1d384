package identity

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"blindseq/seal/keyfile"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, passphrase := range map[string]string{"plain": "", "sealed": "correct horse"} {
		path := filepath.Join(dir, name)
		if err := write(path, key, []byte(passphrase), 1<<12); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: mode %v, %v", name, info.Mode(), err)
		}
		if got, err := Read(path, []byte(passphrase)); err != nil || !got.Equal(key) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := Write(path, key, nil); !errors.Is(err, os.ErrExist) {
			t.Fatalf("%s: written over: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		path, passphrase string
		want             error
	}{
		"needless passphrase": {"plain", "x", keyfile.ErrNotEncrypted},
		"no passphrase":       {"sealed", "", keyfile.ErrEncrypted},
		"wrong passphrase":    {"sealed", "x", keyfile.ErrPassphrase},
	} {
		if _, err := Read(filepath.Join(dir, c.path), []byte(c.passphrase)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "plain"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(filepath.Join(dir, "plain"), nil); !errors.Is(err, keyfile.ErrPermissions) {
		t.Errorf("readable by others: %v", err)
	}
}

func TestPassphraseIsTheFirstLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passphrase")
	for text, want := range map[string]string{"secret\n": "secret", "secret": "secret", " a b \r\nmore": " a b "} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPassphrase(path); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPassphrase(path); err == nil {
		t.Error("an empty passphrase was read")
	}
	if got, err := ReadPassphrase(""); err != nil || got != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}
