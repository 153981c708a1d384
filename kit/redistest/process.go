package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/kit/testaddr"
)

const startTimeout = 10 * time.Second

// process is a redis-server of this test's own on a free loopback port. It keeps nothing on disk.
type process struct {
	port  string
	dir   string
	extra []string // further arguments; a file of settings comes first
	ready string   // what it prints when it is ready
	cmd   *exec.Cmd
	gone  chan struct{} // closed when the process has been waited for
}

func newProcess(t testing.TB, extra ...string) *process {
	t.Helper()
	if os.Getenv(Only) == "miniredis" {
		t.Skipf("%s=miniredis leaves out what only a real server shows; make test runs it", Only)
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("redis-server is not installed: install the package redis-server (Debian, Ubuntu) or redis "+
			"(Alpine, Fedora, Homebrew), or set %s=miniredis to test without it", Only)
	}
	p := &process{dir: t.TempDir(), extra: extra, ready: "Ready to accept connections"}
	return p.startOnFreePort(t)
}

func (p *process) startOnFreePort(t testing.TB) *process {
	t.Helper()
	t.Cleanup(func() { p.stop(t) })
	var err error
	for range 5 { // another process may take the free port before redis-server does
		if p.port, err = freePort(); err != nil {
			t.Fatal(err)
		}
		if err = p.run(); err == nil {
			return p
		}
	}
	t.Fatal(err)
	return nil
}

func (p *process) url() string                 { return "redis://127.0.0.1:" + p.port }
func (p *process) fastForward(d time.Duration) { <-time.After(d) }

// journal is the file with what the process printed, since its first start.
func (p *process) journal() string { return filepath.Join(p.dir, "journal") }

func (p *process) start(t testing.TB) {
	t.Helper()
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
}

func (p *process) stop(testing.TB) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.gone
	p.cmd = nil
}

func (p *process) run() error {
	cmd := exec.Command("redis-server", append(slices.Clone(p.extra), "--port", p.port, "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--dir", p.dir, "--daemonize", "no", "--loglevel", "notice")...)
	dieWithParent(cmd)
	output, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	journal, err := os.OpenFile(p.journal(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	started, ready, gone := make(chan error, 1), make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(gone)
		defer journal.Close()  // for people
		runtime.LockOSThread() // the process dies with the thread that started it: keep this one
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		watchOutput(io.TeeReader(output, journal), p.ready, ready)
		_ = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	select {
	case ok := <-ready:
		if ok {
			p.cmd, p.gone = cmd, gone
			return nil
		}
		err = errors.New("it ended at once")
	case <-time.After(startTimeout):
		err = errors.New("it did not become ready")
	}
	_ = cmd.Process.Kill()
	<-gone
	return fmt.Errorf("start redis-server on port %s: %w", p.port, err)
}

// watchOutput reads until the process closes its output, and says whether it ever was ready.
func watchOutput(output io.Reader, sign string, ready chan<- bool) {
	lines, said := bufio.NewScanner(output), false
	for lines.Scan() {
		if !said && strings.Contains(lines.Text(), sign) {
			said = true
			ready <- true
		}
	}
	if !said {
		ready <- false
	}
}

// addresses are on the one host that replicas and sentinels name each other by.
var addresses = testaddr.On("127.0.0.1")

func freePort() (string, error) {
	address, err := addresses.Next()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(address)
	return port, err
}
