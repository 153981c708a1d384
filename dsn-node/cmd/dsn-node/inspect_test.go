package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
)

func TestInspectTellsByItsExitCodeWhetherAnOrderProofHolds(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	file := filepath.Join(t.TempDir(), "committee.json")
	if err := c.Write(file); err != nil {
		t.Fatal(err)
	}
	preblock, _ := c.Preblock(contentOf(1, c.Sealed([]byte("plain")), []byte{1}), common.Hash{})
	proof, err := orderproof.Of(preblock, 1)
	if err != nil {
		t.Fatal(err)
	}
	valid, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	proof.Timestamp++
	invalid, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		input []byte
		code  int
		shown string
	}{
		"valid": {valid, 0, " VALID\n"}, "invalid": {invalid, 1, " INVALID: "}, "unreadable": {valid[:len(valid)-9], 2, "neither a sealed"},
	} {
		path := filepath.Join(t.TempDir(), "proof.json")
		if err := os.WriteFile(path, want.input, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{path}, {"-"}, {"--kind", "proof"}} {
			code, shown := inspectAs(t, want.input, append([]string{"inspect", "--committee-file", file}, args...)...)
			if code != want.code || !strings.Contains(shown, want.shown) {
				t.Errorf("%s, %v: exit code %d\n%s", name, args, code, shown)
			}
		}
	}
}

// inspectAs runs the program with an input.
func inspectAs(t *testing.T, input []byte, args ...string) (code int, shown string) {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env, command.Stdin = append(os.Environ(), asProgram+"=1"), bytes.NewReader(input)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(out)
}
