package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCommandLineMistakesExitWithTwo(t *testing.T) {
	for _, args := range [][]string{{}, {"nonesuch"}, {"sequencer", "--nonesuch"}, {"sequencer", "--first-number", "0"},
		{"sequencer", "--keyholders", "127.0.0.1:1"}, {"keyholder", "--data-dir", ""}, {"dkg", "--phase-timeout", "1ms"}, {"dkg", "--out", ""}, {"identity", "--out", ""}, {"keygen"}, {"keygen", "--chain-id", "1", "--threshold", "4"},
		{"encrypt", "0x01"}, {"encrypt", "--committee-file", "a", "--keys-file", "b"}, {"decrypt", "--committee-file", "a"}, {"inspect", "nonesuch"},
		{"inspect", "--kind", "nonesuch"}, {"bundler", "--rollup-rpc", "nonesuch"}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestHelpOfEveryCommandExitsWithZero(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"sequencer", "--help"}, {"keyholder", "--help"}, {"keygen", "--help"},
		{"encrypt", "--help"}, {"decrypt", "--help"}, {"inspect", "--help"}, {"bundler", "--help"}, {"dkg", "--help"}, {"identity", "--help"}} {
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
