package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCommandLineMistakesExitWithTwo(t *testing.T) {
	for _, args := range [][]string{{}, {"nonesuch"}, {"sequencer", "--nonesuch"}, {"sequencer", "--first-number", "0"},
		{"sequencer", "--keyholders", "127.0.0.1:1"}, {"keyholder", "--data-dir", ""}, {"dkg", "--phase-timeout", "1ms"}, {"dkg", "--out", ""}, {"identity", "--out", ""}, {"keygen"}, {"keygen", "--chain-id", "1", "--threshold", "4"},
		{"seal", "0x01"}, {"seal", "--committee-file", "a", "--submitter-key-file", "b", "--gas", "1", "--fee", "1", "0x01"},
		{"seal", "--key", "00", "--submitter-key-file", "b", "--gas", "1", "--fee", "1", "--expiry", "1", "0x01"},
		{"keygen", "--chain-id", "1", "--threshold", "1"}, {"keygen", "--chain-id", "1", "--sealed-gas", "20000"},
		{"open", "--committee-file", "a"}, {"open", "--share-file", "a"}, {"inspect", "nonesuch"}, {"inspect", "--chain-id", "1", "0x5e"},
		{"inspect", "--kind", "nonesuch"}, {"bundler", "--rollup-rpc", "nonesuch"}, {"bundler", "--observer-rpc", "nonesuch"}, {"submitter", "--nonesuch"}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestHelpOfEveryCommandExitsWithZero(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"sequencer", "--help"}, {"keyholder", "--help"}, {"keygen", "--help"},
		{"seal", "--help"}, {"open", "--help"}, {"inspect", "--help"}, {"bundler", "--help"}, {"dkg", "--help"}, {"identity", "--help"}, {"submitter", "--help"}} {
		if code := run(args); code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestKeygenWritesKeysThatOnlyTheirOwnerCanRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	args := []string{"keygen", "--out", dir, "--chain-id", "1337"}
	if code := run(args); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	secrets, err := filepath.Glob(filepath.Join(dir, "keyholder-*"))
	if err != nil || len(secrets) != 8 {
		t.Fatalf("%v, %v", secrets, err)
	}
	for _, path := range secrets {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if code := run(args); code != 1 {
		t.Fatalf("keys were written over: exit code %d", code)
	}
}
