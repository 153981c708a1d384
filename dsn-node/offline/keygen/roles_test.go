package keygen

import (
	"os"
	"path/filepath"
	"testing"

	"blindseq/dsn-node/internal/identity"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestTheCommitteeNamesTheSequencerWhoseKeyIsMade(t *testing.T) {
	dir := t.TempDir()
	passphrase := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Run(Config{Out: filepath.Join(dir, "keys"), Keyholders: 1, ChainID: 1, FirstNumber: 1, PassphraseFile: passphrase})
	if err != nil {
		t.Fatal(err)
	}
	c, err := committee.Read(f.Committee)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.Read(f.Sequencer, []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	if got := crypto.PubkeyToAddress(key.PublicKey); c.Owner(0) != got {
		t.Errorf("it names %s, the key is of %s", c.Owner(0), got)
	}
}

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
