package rules

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

var errOdd = errors.New("odd")

// gate is a check that notes the size of each batch, and ends a batch when it is let through. A transaction of one odd byte fails.
type gate struct {
	mu    sync.Mutex
	sizes []int
	pass  chan struct{}
}

func (g *gate) check(raws [][]byte) []error {
	g.mu.Lock()
	g.sizes = append(g.sizes, len(raws))
	g.mu.Unlock()
	<-g.pass
	errs := make([]error, len(raws))
	for i, raw := range raws {
		if raw[0]%2 == 1 {
			errs[i] = errOdd
		}
	}
	return errs
}

func numbered(from, n int) [][]byte {
	raws := make([][]byte, n)
	for i := range raws {
		raws[i] = []byte{byte(from + i)}
	}
	return raws
}

func wantOddFail(t *testing.T, raws [][]byte, errs []error) {
	t.Helper()
	if len(errs) != len(raws) {
		t.Errorf("%d errors for %d transactions", len(errs), len(raws))
		return
	}
	for i, raw := range raws {
		if odd := raw[0]%2 == 1; odd != errors.Is(errs[i], errOdd) || !odd && errs[i] != nil {
			t.Errorf("%d: %v", raw[0], errs[i])
		}
	}
}

// Callers that come while others are checked are checked together, each with its own errors; the first ones wait for nobody.
func TestCallersShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{pass: make(chan struct{})}
		s := &sharing{check: g.check}
		var callers sync.WaitGroup
		for i := range 12 {
			callers.Go(func() {
				raws := numbered(i, 1+i%2)
				wantOddFail(t, raws, s.do(raws))
			})
			synctest.Wait()
		}
		if got := fmt.Sprint(g.sizes); got != "[1 2]" {
			t.Errorf("batches of %s before one has ended: the first two callers go at once", got)
		}
		close(g.pass)
		callers.Wait()
		if got := fmt.Sprint(g.sizes); got != "[1 2 15]" {
			t.Errorf("batches of %s: the others are checked together", got)
		}
		if s.running != 0 || len(s.waiting) != 0 {
			t.Errorf("%d batches run and %d callers wait at the end", s.running, len(s.waiting))
		}
	})
}

// A caller with many has turns like everybody else, so those who come behind it wait for two batches at most.
func TestACallerWithManyTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{pass: make(chan struct{})}
		k := &Checker{shared: sharing{check: g.check}}
		many := numbered(0, 3*sharedSize+1)
		var callers sync.WaitGroup
		for range sharedAtOnce {
			callers.Go(func() { wantOddFail(t, many, k.CheckShared(many)) })
		}
		synctest.Wait()
		small := make(chan []error, 1)
		callers.Go(func() { small <- k.CheckShared(numbered(7, 1)) })
		synctest.Wait()
		g.pass <- struct{}{} // one of the large ones has had a turn
		synctest.Wait()
		g.pass <- struct{}{}
		g.pass <- struct{}{}
		synctest.Wait()
		select {
		case errs := <-small:
			wantOddFail(t, numbered(7, 1), errs)
		default:
			t.Error("the small one waits for more than the turns of two others")
		}
		close(g.pass)
		callers.Wait()
		for _, n := range g.sizes {
			if n > sharedSize {
				t.Errorf("a batch of %d", n)
			}
		}
	})
}

// A check that does not return leaves nobody with a nil error, and nobody waiting.
func TestNothingPassesWhoseCheckFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := make(chan struct{})
		s := &sharing{check: func([][]byte) []error { <-pass; panic("no result") }}
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() {
				defer func() { _ = recover() }() // as net/http does
				if errs := s.do(numbered(0, 1)); !errors.Is(errs[0], errUnchecked) {
					t.Errorf("got %v", errs[0])
				}
			})
		}
		synctest.Wait()
		close(pass)
		callers.Wait()
	})
}

func TestNothingToCheckIsNoBatch(t *testing.T) {
	k := &Checker{shared: sharing{check: func([][]byte) []error { t.Error("checked"); return nil }}}
	if errs := k.CheckShared(nil); len(errs) != 0 {
		t.Errorf("got %v", errs)
	}
}
