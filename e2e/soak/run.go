package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options of a soak.
type Options struct {
	For    time.Duration // from the end of the builds; the suite that runs at its end is killed
	Suites []Suite
	Root   string    // of the workspace
	Dir    string    // for the test binaries and the temporary files of the tests
	Log    io.Writer // progress and the tally
}

// ErrFailures is the end of a soak in which a test failed.
var ErrFailures = errors.New("tests failed")

// shortestRound keeps suites that end at once, because something they need is missing, from filling the tally.
const shortestRound = time.Second

// Run repeats the suites, one after the other, until the time is over or ctx ends, and then writes the tally. No failure
// stops it: a suite that cannot be built or started is a failure in the tally. Tests that ran at the end are not counted.
func Run(ctx context.Context, o Options) error {
	tally := NewTally()
	suites := buildAll(ctx, o, tally)
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	for began, round := time.Now(), 1; ctx.Err() == nil && len(suites) > 0; round++ {
		repeat(ctx, o, suites, tally, fmt.Sprintf("round %d", round), began)
	}
	fmt.Fprintln(o.Log)
	tally.Write(o.Log)
	if tally.Failures() > 0 {
		return ErrFailures
	}
	return nil
}

// buildAll returns the suites that could be built.
func buildAll(ctx context.Context, o Options, t *Tally) (built []Suite) {
	for _, s := range o.Suites {
		if err := build(ctx, o, s); err == nil {
			built = append(built, s)
		} else if ctx.Err() == nil {
			fmt.Fprintln(o.Log, err)
			t.suiteFailed(s.Name, err.Error())
		}
	}
	return built
}

// repeat runs each suite once.
func repeat(ctx context.Context, o Options, suites []Suite, t *Tally, round string, began time.Time) {
	shortest := time.After(shortestRound)
	for _, s := range suites {
		if ctx.Err() != nil {
			return
		}
		start := time.Now()
		total := one(ctx, o, s, t)
		fmt.Fprintf(o.Log, "%8s  %s, %s: %d passed, %d failed, %d skipped, %d cut off in %s\n", time.Since(began).Round(time.Second),
			round, s.Name, total.Passed, total.Failed, total.Skipped, total.CutOff, time.Since(start).Round(time.Second))
	}
	select {
	case <-shortest:
	case <-ctx.Done():
	}
}

func (o Options) binary(s Suite) string {
	return filepath.Join(o.Dir, strings.ReplaceAll(s.Name, "/", "-")+".test")
}

func build(ctx context.Context, o Options, s Suite) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", o.binary(s), "./"+s.Name)
	cmd.Dir = o.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tests of %s: %w\n%s", s.Name, err, out)
	}
	return nil
}

// longestRest is how long the output of a suite that was killed is waited for: a process of it that survived may hold it open.
const longestRest = time.Second

// one runs a suite once and counts how its tests ended. When ctx ends, everything that the suite started is killed. What it
// had printed until then is counted: test2json is not among those killed.
func one(ctx context.Context, o Options, s Suite, t *Tally) Totals {
	suite := exec.CommandContext(ctx, o.binary(s), append([]string{"-test.v=test2json", "-test.timeout=30m"}, s.Args...)...)
	suite.Dir, suite.Env = filepath.Join(o.Root, s.Name), append(os.Environ(), "TMPDIR="+o.Dir)
	suite.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal ends the soak, not a test
	suite.Cancel = func() error { return syscall.Kill(-suite.Process.Pid, syscall.SIGKILL) }
	suite.WaitDelay = longestRest
	events, ended, err := convert(suite, o.Log)
	if err != nil {
		if ctx.Err() != nil {
			return Totals{}
		}
		t.suiteFailed(s.Name, err.Error())
		return Totals{Failed: 1}
	}
	return t.Add(s.Name, events, ended, func() bool { return ctx.Err() != nil })
}

// convert starts the suite and returns its output as events of test2json. ended waits for both and returns the suite's error.
func convert(suite *exec.Cmd, log io.Writer) (events io.Reader, ended func() error, err error) {
	converter := exec.Command("go", "tool", "test2json", "-t")
	converter.Stderr = log
	converter.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := converter.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if events, err = converter.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	output := struct{ io.Writer }{in} // copied by Wait, so that WaitDelay bounds it: a file would be the suite's own
	suite.Stdout, suite.Stderr = output, output
	if err := converter.Start(); err != nil {
		return nil, nil, err
	}
	if err := suite.Start(); err != nil {
		return nil, nil, errors.Join(err, in.Close(), converter.Wait())
	}
	suiteEnded := make(chan error, 1)
	go func() {
		err := suite.Wait()
		_ = in.Close()
		suiteEnded <- err
	}()
	return events, func() error { return errors.Join(converter.Wait(), <-suiteEnded) }, nil
}
