package chain

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestADatabaseThatCannotBeWrittenIsReportedOnceAndStopsTheChain: a write in the background has no caller to return its error
// to. Without the report, a producer kept its lease and made no block.
func TestADatabaseThatCannotBeWrittenIsReportedOnceAndStopsTheChain(t *testing.T) {
	full := errors.New("no space left on device")
	for name, write := range map[string]func() error{
		"an error":             func() error { return full },
		"a panic, as pebble's": func() error { panic(full) },
	} {
		t.Run(name, func(t *testing.T) {
			reports := make(chan error, 8)
			c, err := Open(Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Broken: func(err error) { reports <- err }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.stack.Close() })
			c.flush.sync = write
			c.flush.request(false)
			select {
			case err = <-reports:
			case <-time.After(30 * time.Second):
				t.Fatal("not reported")
			}
			if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), full.Error()) {
				t.Errorf("reported %v", err)
			}
			_, genesis, at := c.Head()
			if _, err := c.Apply(t.Context(), Block{Number: 1, ParentHash: genesis, Timestamp: at}); !errors.Is(err, ErrBroken) {
				t.Errorf("a block was applied: %v", err)
			}
			c.flush.request(false)
			if err := c.Close(); err != nil { // waits for the flusher
				t.Errorf("close: %v", err)
			}
			if len(reports) != 0 {
				t.Errorf("reported again: %v", <-reports)
			}
		})
	}
}
