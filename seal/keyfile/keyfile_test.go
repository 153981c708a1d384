package keyfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/seal"
)

func deal(t testing.TB) []*seal.Secret {
	t.Helper()
	_, secrets, err := seal.Deal(rand.Reader, 1337, 4, 3)
	noError(t, err)
	return secrets
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func secretOf(t testing.TB, s *seal.Secret) []byte {
	t.Helper()
	b, err := s.Append(nil)
	noError(t, err)
	return b
}

func TestAShareIsReadAsWritten(t *testing.T) {
	secrets := deal(t)
	for name, passphrase := range map[string][]byte{"plain": nil, "encrypted": []byte("correct horse")} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.json")
			noError(t, writeShare(path, secrets[1], passphrase, lowestCost))
			info, err := os.Stat(path)
			noError(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Fatalf("mode %o", info.Mode().Perm())
			}
			read, err := ReadShare(path, passphrase)
			noError(t, err)
			if read.Authority() != 1 || !bytes.Equal(secretOf(t, read), secretOf(t, secrets[1])) {
				t.Fatal("read another share")
			}
			entries, err := os.ReadDir(filepath.Dir(path))
			noError(t, err)
			if len(entries) != 1 {
				t.Fatalf("left behind: %v", entries)
			}
		})
	}
}

func TestTheDefaultEncryptionIsRead(t *testing.T) {
	secrets := deal(t)
	path := filepath.Join(t.TempDir(), "key.json")
	noError(t, WriteShare(path, secrets[0], []byte("p")))
	_, err := ReadShare(path, []byte("p"))
	noError(t, err)
}

func TestAnEncryptedFileHasNoSecretInIt(t *testing.T) {
	secrets := deal(t)
	path := filepath.Join(t.TempDir(), "key.json")
	noError(t, writeShare(path, secrets[0], []byte("p"), lowestCost))
	b, err := os.ReadFile(path)
	noError(t, err)
	secret, _ := hexBytes(secretOf(t, secrets[0])).MarshalText()
	if bytes.Contains(b, secret) || bytes.Contains(b, []byte(`"secret"`)) {
		t.Fatalf("%s", b)
	}
}

func TestAShareOthersCanReadIsRefused(t *testing.T) {
	secrets := deal(t)
	path := filepath.Join(t.TempDir(), "key.json")
	noError(t, WriteShare(path, secrets[0], nil))
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660, 0o601} {
		noError(t, os.Chmod(path, mode))
		if _, err := ReadShare(path, nil); !errors.Is(err, ErrPermissions) {
			t.Fatalf("mode %o: %v", mode, err)
		}
	}
	noError(t, os.Chmod(path, 0o400))
	_, err := ReadShare(path, nil)
	noError(t, err)
}

func TestAShareIsNotWrittenOverAFile(t *testing.T) {
	secrets := deal(t)
	path := filepath.Join(t.TempDir(), "key.json")
	noError(t, WriteShare(path, secrets[0], nil))
	if err := WriteShare(path, secrets[1], nil); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	read, err := ReadShare(path, nil)
	noError(t, err)
	if read.Authority() != 0 {
		t.Fatal("the first share is gone")
	}
}

func TestPassphrasesMustFit(t *testing.T) {
	secrets := deal(t)
	dir := t.TempDir()
	plain, encrypted := filepath.Join(dir, "plain"), filepath.Join(dir, "encrypted")
	noError(t, writeShare(plain, secrets[0], nil, lowestCost))
	noError(t, writeShare(encrypted, secrets[0], []byte("p"), lowestCost))
	for _, c := range []struct {
		path       string
		passphrase string
		want       error
	}{{plain, "p", ErrNotEncrypted}, {encrypted, "", ErrEncrypted}, {encrypted, "q", ErrPassphrase}} {
		if _, err := ReadShare(c.path, []byte(c.passphrase)); !errors.Is(err, c.want) {
			t.Fatalf("%s with %q: %v", c.path, c.passphrase, err)
		}
	}
}

func TestDamagedFilesAreRefusedWithoutShowingTheSecret(t *testing.T) {
	secrets := deal(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	noError(t, writeShare(path, secrets[0], nil, lowestCost))
	plain, err := os.ReadFile(path)
	noError(t, err)
	noError(t, writeShare(path+"e", secrets[0], []byte("p"), lowestCost))
	encrypted, err := os.ReadFile(path + "e")
	noError(t, err)
	secret, _ := hexBytes(secretOf(t, secrets[0])).MarshalText()
	first, other := secrets[0].Public().String(), secrets[1].Public().String()

	replace := func(b []byte, from, to string) []byte {
		out := bytes.Replace(b, []byte(from), []byte(to), 1)
		if bytes.Equal(out, b) {
			t.Fatalf("no %s in the file", from)
		}
		return out
	}
	for name, c := range map[string]struct {
		content    []byte
		passphrase string
	}{
		"empty":                 {nil, ""},
		"cut":                   {plain[:len(plain)-10], ""},
		"of blindseq 0.1":       {replace(plain, `"version": 2`, `"version": 1`), ""},
		"another version":       {replace(plain, `"version": 2`, `"version": 3`), ""},
		"not hex":               {replace(plain, string(secret[:4]), "zzzz"), ""},
		"another secret":        {replace(plain, string(secret[10:14]), "0000"), ""},
		"another public share":  {replace(plain, first, other), ""},
		"no secret":             {replace(plain, `"secret"`, `"secretly"`), ""},
		"too large":             {append(bytes.Clone(plain), make([]byte, maxFileBytes)...), ""},
		"another authority":     {replace(encrypted, `"authority": 0`, `"authority": 1`), "p"},
		"cost of all memory":    {replace(encrypted, `"log_n": 10`, `"log_n": 62`), "p"},
		"another scheme":        {replace(encrypted, scheme, "rot13"), "p"},
		"encrypted and in text": {replace(encrypted, `"version"`, `"secret": "`+string(secret)+`", "version"`), "p"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			bad := filepath.Join(dir, "bad")
			noError(t, os.WriteFile(bad, c.content, 0o600))
			_, err := ReadShare(bad, []byte(c.passphrase))
			if err == nil {
				t.Fatal("read")
			}
			if strings.Contains(err.Error(), string(secret[:8])) {
				t.Fatalf("the error shows the secret: %v", err)
			}
		})
	}
	if _, err := ReadShare(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func FuzzOpenShareFile(f *testing.F) {
	secrets := deal(f)
	path := filepath.Join(f.TempDir(), "key")
	noError(f, writeShare(path, secrets[0], nil, lowestCost))
	plain, err := os.ReadFile(path)
	noError(f, err)
	noError(f, writeShare(path+"e", secrets[0], []byte("p"), lowestCost))
	encrypted, err := os.ReadFile(path + "e")
	noError(f, err)
	f.Add(plain, "")
	f.Add(encrypted, "p")
	f.Fuzz(func(t *testing.T, b []byte, passphrase string) {
		share, err := decodeShare(b, []byte(passphrase))
		if (share == nil) == (err == nil) {
			t.Fatalf("%v, %v", share, err)
		}
	})
}
