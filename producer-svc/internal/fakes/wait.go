package fakes

import (
	"testing"
	"time"
)

// WaitFor polls until done: what is awaited happens in goroutines that the test does not own.
func WaitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited too long")
		}
	}
}
