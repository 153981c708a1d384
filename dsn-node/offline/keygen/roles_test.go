package keygen

import (
	"path/filepath"
	"testing"

	"blindseq/dsn-node/internal/identity"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestEveryInstanceOfTheBundlerIsARelay(t *testing.T) {
	f, err := Run(Config{Out: filepath.Join(t.TempDir(), "keys"), Keyholders: 1, ChainID: 1, FirstNumber: 1, Instances: []string{"bundler-0", "bundler-1"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := committee.Read(f.Committee)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.Read(f.Bundler, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"": true, "bundler-0": true, "bundler-1": true, "bundler-2": false} {
		one, err := identity.Instance(key, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.IsRelay(crypto.PubkeyToAddress(one.PublicKey)); got != want {
			t.Errorf("instance %q is a relay: %v, want %v", name, got, want)
		}
	}
}
