package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is a little more than what a service gives itself to stop (10 s).
const stopTimeout = 12 * time.Second

// ErrExited is returned when a process ended that should run.
var ErrExited = errors.New("the process has ended")

// Process is one program run as an operating system process, again and again with the same arguments and data. Its
// output goes to one file. Its methods may be called from any goroutine.
type Process struct {
	Name string

	path, dir, log string
	args, env      []string
	ready          func(ctx context.Context) error // one look

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended; nil before the first start
	err  error         // how it ended
}

// Start runs the program. It returns when the process exists, not when it is ready.
func (p *Process) Start() error { return p.StartWith() }

// StartWith is Start with more in the environment, this time.
func (p *Process) StartWith(env ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer out.Close() // the child has its own
	fmt.Fprintf(out, "--- %s %v\n", filepath.Base(p.path), p.args)
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.Env = append(append(cleanEnvironment(), p.env...), env...)
	// A child that outlives a killed test run would keep ports and cores. (It dies with the thread that made it, too;
	// Go ends no thread that is not locked to a goroutine.)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.err = cmd, done, nil
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(done)
	}()
	return nil
}

func (p *Process) running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// status describes whether the process runs, and if not how it ended.
func (p *Process) status() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.running():
		return "runs"
	case p.done == nil:
		return "never started"
	case p.err != nil:
		return p.err.Error()
	}
	return "exited with code 0 or was killed by the test"
}

// PID is the process id, 0 when it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kill ends the process with SIGKILL and waits until it has ended.
func (p *Process) Kill() error {
	done, err := p.signal(syscall.SIGKILL)
	if err != nil || done == nil {
		return err
	}
	<-done
	return nil
}

// Stop asks the process to end with SIGTERM and says how it did; one that does not end is killed, which is an error.
func (p *Process) Stop() error {
	done, err := p.signal(syscall.SIGTERM)
	if err != nil || done == nil {
		return err
	}
	select {
	case <-done:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return fmt.Errorf("stop %s: %w", p.Name, p.err)
		}
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("stop %s: did not end within %s", p.Name, stopTimeout), p.Kill())
	}
}

// Signal sends a signal and waits for nothing.
func (p *Process) Signal(s syscall.Signal) error {
	_, err := p.signal(s)
	return err
}

// Await waits until the process has ended, and says how: nil for exit code 0.
func (p *Process) Await(ctx context.Context) error {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("await the end of %s: %w", p.Name, ctx.Err())
	}
}

func (p *Process) signal(s syscall.Signal) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil, nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return p.done, nil
}

// AwaitReady looks until the process says it is ready. There is no event to wait for across processes, so it polls.
func (p *Process) AwaitReady(ctx context.Context) error {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return fmt.Errorf("await %s: %w", p.Name, ErrExited)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("await %s: %w: %v", p.Name, ErrExited, p.err) //nolint:errorlint // nil for a program that ended without an error
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w; last: %w", p.Name, ctx.Err(), err)
		case <-look.C:
		}
	}
}

// Tail returns the last n bytes of the process's output.
func (p *Process) Tail(n int) []byte {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	if len(raw) > n {
		raw = raw[len(raw)-n:]
		raw = raw[bytes.IndexByte(raw, '\n')+1:]
	}
	return raw
}

// cleanEnvironment keeps the settings of the user who runs the tests away from the programs.
func cleanEnvironment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TZ=UTC"}
	for _, name := range []string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
