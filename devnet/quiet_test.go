package devnet

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// TestAFirstStartWarnsOfNothingAndCtrlCIsNoError starts the program twice, sends the command of its banner, and interrupts it while
// clients are connected.
func TestAFirstStartWarnsOfNothingAndCtrlCIsNoError(t *testing.T) {
	program := filepath.Join(t.TempDir(), "devnet")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/devnet").CombinedOutput(); err != nil {
		t.Fatalf("build the devnet: %v\n%s", err, out)
	}
	dir := t.TempDir()
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) { startAndInterrupt(t, program, dir) })
	}
}

func startAndInterrupt(t *testing.T, program, dir string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const anyPort = "127.0.0.1:0"
	cmd := exec.CommandContext(ctx, program, "--data-dir", dir, "--rest-address", anyPort, "--rpc-address", anyPort, "--bundler-address", anyPort)
	out, errs := &screen{until: "/v1/produce_block"}, new(bytes.Buffer)
	out.shown = make(chan struct{})
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-out.shown:
	case <-ctx.Done():
		t.Fatalf("no banner:\n%s\n%s", out, errs)
	}
	command := regexp.MustCompile(`(?s)curl [^\n]* -d '.*?}'`).FindString(out.String())
	if answer, err := exec.Command("sh", "-c", command).Output(); err != nil || !strings.Contains(string(answer), `"result":"0x`) {
		t.Errorf("the banner's command\n%s\nis answered %s, %v", command, answer, err)
	}
	socket := strings.Fields(out.String()[strings.Index(out.String(), "ws://"):])[0]
	client, err := ethclient.DialContext(ctx, socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.SubscribeNewHead(ctx, make(chan *types.Header, 100)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || errs.Len() > 0 {
		t.Errorf("ended with %v, and said\n%s", err, errs)
	}
}

// screen keeps what a program prints, and says when it has printed a text.
type screen struct {
	until string
	shown chan struct{}

	mu   sync.Mutex
	text strings.Builder
	told bool
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if !s.told && strings.Contains(s.text.String(), s.until) {
		s.told = true
		close(s.shown)
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
