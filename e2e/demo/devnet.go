package demo

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

// devnet is a running program of make run.
type devnet struct {
	plain, sealed string // where it takes transactions of the two lanes, as host:port
	committee     string // file of the keyholders' committee

	cmd   *exec.Cmd
	ended chan error
}

// stopTimeout is how long a devnet may take to end before it is killed.
const stopTimeout = 15 * time.Second

var errNoBanner = errors.New("it ended before its banner")

// startDevnet starts the program on free ports, with a new chain in dir, and waits for its banner. It ends with ctx, or with stop.
func startDevnet(ctx context.Context, program, dir string, blockTime time.Duration) (*devnet, error) {
	const anyPort = "127.0.0.1:0"
	log, err := os.Create(filepath.Join(dir, "devnet.log"))
	if err != nil {
		return nil, fmt.Errorf("start the devnet: %w", err)
	}
	defer log.Close() // the child has its own
	data := filepath.Join(dir, "data")
	d := &devnet{committee: filepath.Join(data, "keys", "committee.json"), ended: make(chan error, 1)}
	d.cmd = exec.CommandContext(ctx, program, "--data-dir", data, "--rest-address", anyPort, "--rpc-address", anyPort,
		"--bundler-address", anyPort, "--preblock-time", blockTime.String())
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
		err = errors.Join(err, d.stop())
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start the devnet: %w\n%s", err, said)
	}
	return d, nil
}

var anyURL = regexp.MustCompile(`http://([0-9.:]+)`)

// read finds the addresses in the banner.
func (d *devnet) read(banner *bufio.Reader) error {
	for d.plain == "" || d.sealed == "" {
		line, err := banner.ReadString('\n')
		if err != nil {
			return errNoBanner
		}
		url := anyURL.FindStringSubmatch(line)
		switch {
		case url == nil:
		case strings.HasPrefix(strings.TrimSpace(line), "JSON-RPC"):
			d.plain = url[1]
		case strings.HasPrefix(strings.TrimSpace(line), "Sealed"):
			d.sealed = url[1]
		}
	}
	return nil
}

// stop ends the program and waits for its end.
func (d *devnet) stop() error {
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
