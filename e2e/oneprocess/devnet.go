// Package oneprocess starts the program of make run, as a user does, on free ports and with a new chain.
package oneprocess

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Devnet is a running program of make run.
type Devnet struct {
	Plain, Sealed string // where it takes transactions of the two lanes, as host:port
	Committee     string // file of the keyholders' committee

	cmd   *exec.Cmd
	ended chan error
}

// stopTimeout is how long a devnet may take to end before it is killed.
const stopTimeout = 15 * time.Second

// ErrNoBanner says that the program ended early.
var ErrNoBanner = errors.New("it ended before its banner")

// Start starts the program on free ports, with a new chain in dir and further flags, and waits for its banner. It ends with ctx, or
// with Stop.
func Start(ctx context.Context, program, dir string, flags ...string) (*Devnet, error) {
	const anyPort = "127.0.0.1:0"
	log, err := os.Create(filepath.Join(dir, "devnet.log"))
	if err != nil {
		return nil, fmt.Errorf("start the devnet: %w", err)
	}
	defer log.Close() // the child has its own
	data := filepath.Join(dir, "data")
	d := &Devnet{Committee: filepath.Join(data, "keys", "committee.json"), ended: make(chan error, 1)}
	d.cmd = exec.CommandContext(ctx, program, append([]string{"--data-dir", data, "--rest-address", anyPort, "--rpc-address", anyPort,
		"--bundler-address", anyPort}, flags...)...)
	d.cmd.Stderr = log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) }
	d.cmd.WaitDelay = stopTimeout
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the devnet: %w", err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the devnet: %w", err)
	}
	banner := bufio.NewReader(out)
	err = d.read(banner)
	go func() {
		_, _ = io.Copy(io.Discard, banner) // a line for each block, until the program ends
		d.ended <- d.cmd.Wait()
	}()
	if err != nil {
		err = errors.Join(err, d.Stop())
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start the devnet: %w\n%s", err, said)
	}
	return d, nil
}

var anyURL = regexp.MustCompile(`http://([0-9.:]+)`)

// read finds the addresses in the banner.
func (d *Devnet) read(banner *bufio.Reader) error {
	for d.Plain == "" || d.Sealed == "" {
		line, err := banner.ReadString('\n')
		if err != nil {
			return ErrNoBanner
		}
		url := anyURL.FindStringSubmatch(line)
		switch {
		case url == nil:
		case strings.HasPrefix(strings.TrimSpace(line), "JSON-RPC"):
			d.Plain = url[1]
		case strings.HasPrefix(strings.TrimSpace(line), "Sealed"):
			d.Sealed = url[1]
		}
	}
	return nil
}

// Stop ends the program and waits for its end.
func (d *Devnet) Stop() error {
	if err := d.cmd.Cancel(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the devnet: %w", err)
	}
	select {
	case err := <-d.ended:
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stop the devnet: %w", err)
		}
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("stop the devnet: it did not end and is killed"), d.cmd.Process.Kill())
	}
}

// PID is the number of its process.
func (d *Devnet) PID() int { return d.cmd.Process.Pid }

// Kill ends the program with SIGKILL, and waits for its end.
func (d *Devnet) Kill() error {
	err := d.cmd.Process.Kill()
	<-d.ended
	if err != nil {
		return fmt.Errorf("kill the devnet: %w", err)
	}
	return nil
}
