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
	"time"
)

// Suite is a package whose tests are repeated.
type Suite struct {
	Name string // its folder in the workspace
	Args []string
}

// Options of a soak.
type Options struct {
	For    time.Duration // no suite begins after it
	Suites []Suite
	Root   string    // of the workspace
	Dir    string    // for the test binaries
	Log    io.Writer // progress and the tally
}

// ErrFailures is the end of a soak in which a test failed.
var ErrFailures = errors.New("tests failed")

// Run repeats the suites, one after the other, until the time is over or ctx ends. No failure stops it.
func Run(ctx context.Context, o Options) error {
	for _, s := range o.Suites {
		if err := build(ctx, o, s); err != nil {
			return err
		}
	}
	tally, began := NewTally(), time.Now()
	for round := 1; ctx.Err() == nil && time.Since(began) < o.For; round++ {
		for _, s := range o.Suites {
			if ctx.Err() != nil || time.Since(began) >= o.For {
				break
			}
			start := time.Now()
			total, err := one(ctx, o, s, tally)
			if err != nil {
				return err
			}
			fmt.Fprintf(o.Log, "%8s  round %d, %s: %d passed, %d failed, %d skipped in %s\n", time.Since(began).Round(time.Second),
				round, s.Name, total.Passed, total.Failed, total.Skipped, time.Since(start).Round(time.Second))
		}
	}
	fmt.Fprintln(o.Log)
	tally.Write(o.Log)
	if tally.Failures() > 0 {
		return ErrFailures
	}
	return nil
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

// one runs a suite once and counts what its tests came to.
func one(ctx context.Context, o Options, s Suite, t *Tally) (Totals, error) {
	args := append([]string{"tool", "test2json", "-t", o.binary(s), "-test.v=test2json", "-test.timeout=30m"}, s.Args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = filepath.Join(o.Root, s.Name), os.Environ()
	cmd.Stderr = o.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Totals{}, err
	}
	if err := cmd.Start(); err != nil {
		return Totals{}, fmt.Errorf("start the tests of %s: %w", s.Name, err)
	}
	return t.Add(s.Name, out, cmd.Wait)
}
