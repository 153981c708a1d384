package identity

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// FuzzRead reads key files without a passphrase: what is read is written as the same key, and no error quotes the file.
func FuzzRead(f *testing.F) {
	key, err := crypto.GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	text, err := encode(key, nil, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(append([]byte("0x"), text...))
	f.Add(bytes.TrimSpace(text)[:63])
	f.Add([]byte(`{"crypto":{}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "key")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := Read(path, nil)
		if err != nil {
			if len(b) > 20 && strings.Contains(err.Error(), string(b)) {
				t.Fatalf("the error quotes the file: %v", err)
			}
			return
		}
		again, err := encode(read, nil, 0)
		if err != nil || !strings.EqualFold(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x"), strings.TrimSpace(string(again))) {
			t.Fatalf("%q is written as %q", b, again)
		}
	})
}
