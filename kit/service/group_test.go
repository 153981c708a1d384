package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) component(name string) (string, func(context.Context) error) {
	return name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(time.Second) // an effort that the next component's stop must wait for
		j.add(name + " stopped")
		return nil
	}
}

func TestComponentsStopInReverseOrderOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		g := NewGroup(slog.New(slog.DiscardHandler))
		for _, name := range []string{"store", "server", "loop"} {
			g.Add(j.component(name))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []string{"loop stopped", "server stopped", "store stopped"}; !slices.Equal(j.lines, want) {
			t.Fatalf("got %q", j.lines)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Fatalf("took %s: not one after the other", took)
		}
	})
}

func TestAFailedComponentStopsTheGroupAndIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		broken := errors.New("disk full")
		g := NewGroup(slog.New(slog.DiscardHandler))
		g.Add(j.component("server"))
		g.Add("log", func(context.Context) error { return broken })
		err := g.Run(t.Context())
		if !errors.Is(err, broken) || err.Error() != "log: disk full" {
			t.Fatalf("got %v", err)
		}
		if !slices.Equal(j.lines, []string{"server stopped"}) {
			t.Fatalf("got %q", j.lines)
		}
	})
}

func TestAComponentThatEndsByItselfStopsTheGroup(t *testing.T) {
	g := NewGroup(slog.New(slog.DiscardHandler))
	g.Add("worker", func(context.Context) error { return nil })
	if err := g.Run(t.Context()); err == nil || err.Error() != "worker: ended early" {
		t.Fatalf("got %v", err)
	}
}

func TestAComponentThatDoesNotStopIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := NewGroup(slog.New(slog.DiscardHandler))
		g.Add("stuck", func(context.Context) error { <-release; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := g.Run(ctx); !errors.Is(err, ErrStopTimeout) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(start); took != StopTimeout {
			t.Fatalf("took %s", took)
		}
		close(release)
	})
}
