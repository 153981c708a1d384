package leader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"blindseq/kit/fitness"
)

// Disk checks that a small write to a folder is durable within a time.
type Disk struct {
	Dir   string
	Bound time.Duration

	write   func() error // the disk's own when nil; tests have others
	last    time.Duration
	running chan struct{} // closed when the write under way has ended
	began   time.Time
	failed  error
}

// probeFile is written over and over; it holds nothing.
const probeFile = "disk.probe"

// Check is the check of the disk. A write that hangs is waited for, and no second one is begun.
func (d *Disk) Check() fitness.Check { return fitness.Check{Part: "disk", Try: d.try} }

func (d *Disk) try(ctx context.Context) error {
	if d.running == nil {
		d.running, d.began = make(chan struct{}), time.Now()
		write := d.write
		if write == nil {
			write = d.probe
		}
		go func(done chan struct{}) {
			d.failed = write()
			d.last = time.Since(d.began)
			close(done)
		}(d.running)
	}
	select {
	case <-d.running:
		d.running = nil
	case <-ctx.Done():
		return fmt.Errorf("the disk of %s has not written for %s", d.Dir, time.Since(d.began).Round(time.Second))
	}
	switch {
	case d.failed != nil:
		return fmt.Errorf("the disk cannot be written: %w", d.failed)
	case d.last > d.Bound:
		return fmt.Errorf("the disk of %s took %s for a small write, at most %s are put up with", d.Dir, d.last.Round(time.Millisecond), d.Bound)
	}
	return nil
}

func (d *Disk) probe() error {
	file, err := os.OpenFile(filepath.Join(d.Dir, probeFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close() // it is synced before
	if _, err := file.Write([]byte("probe\n")); err != nil {
		return err
	}
	return file.Sync()
}
