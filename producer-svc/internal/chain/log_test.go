package chain_test

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// TestEndingProcess is not a test: it is the process that TestWhyEthereumEndsTheProcessIsLogged has end.
func TestEndingProcess(t *testing.T) {
	if os.Getenv("BLINDSEQ_ENDS") == "" {
		t.Skip("only run by another test")
	}
	chain.LogTo(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	chain.LogTo(slog.New(slog.DiscardHandler)) // of another replica in the same process
	gethlog.Warn("Head state missing")
	gethlog.Crit("Failed to repair history", "err", "no such record")
}

func TestWhyEthereumEndsTheProcessIsLogged(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run", "^TestEndingProcess$")
	child.Env = append(os.Environ(), "BLINDSEQ_ENDS=1")
	out, err := child.Output()
	if err == nil {
		t.Error("it did not end the process")
	}
	if said := string(out); !strings.Contains(said, `level=ERROR msg="Failed to repair history" library=go-ethereum err="no such record"`) ||
		strings.Contains(said, "Head state") {
		t.Errorf("it says %q", said)
	}
}
