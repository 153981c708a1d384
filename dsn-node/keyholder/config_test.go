package keyholder

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/kit/config"
)

func TestDefaultsAreItsOwnPorts(t *testing.T) {
	var c Config
	if err := config.Defaults(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil || c.GRPCAddress != "127.0.0.1:7106" || c.HTTPAddress != "127.0.0.1:7206" {
		t.Fatalf("defaults %+v, %v", c, err)
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, args := range []string{"--data-dir=", "--committee-file=", "--share-file=", "--identity-file=", "--tls-cert=a.pem"} {
		flag, _, _ := strings.Cut(args, "=")
		_, _, err := config.Parse("dsn-node", "", &Config{}, []string{args}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestKeyholderWithAnothersKeysDoesNotStart(t *testing.T) {
	files, err := keygen.Run(keygen.Config{Out: filepath.Join(t.TempDir(), "keys"), Keyholders: 4, ChainID: 1, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := config.Defaults(&c); err != nil {
		t.Fatal(err)
	}
	c.GRPCAddress, c.HTTPAddress, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	c.CommitteeFile, c.ShareFile, c.IdentityFile = files.Committee, files.Shares[0], files.Identities[1]
	if _, err := New(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "signs with another key") {
		t.Fatalf("got %v", err)
	}
}
