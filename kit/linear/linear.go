// Package linear records what concurrent clients did to one thing, and has porcupine decide whether it could have
// happened one after the other, each operation at one moment between its call and its return (linearizability).
//
// It is for tests. A model that cannot refuse anything shows nothing: test it with a broken variant of the thing too.
package linear

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience bounds a check, which may take exponential time.
const patience = 30 * time.Second

// Recorder collects the operations of one history. The zero value is ready for use.
type Recorder struct {
	clock atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

// Do records one operation of a client, which does one at a time.
func (r *Recorder) Do(client int, input any, do func() (output any)) {
	called := r.clock.Add(1)
	output := do()
	op := porcupine.Operation{ClientId: client, Input: input, Call: called, Output: output, Return: r.clock.Add(1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
}

// Len is how many operations there are.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// Check fails the test unless the history is one of the model's.
func (r *Recorder) Check(t testing.TB, m porcupine.Model) {
	t.Helper()
	if got := r.verdict(m); got != porcupine.Ok {
		t.Fatalf("%d operations are not linearizable: %s", r.Len(), got)
	}
}

// Refuted says whether the history cannot be one of the model's.
func (r *Recorder) Refuted(m porcupine.Model) bool { return r.verdict(m) == porcupine.Illegal }

func (r *Recorder) verdict(m porcupine.Model) porcupine.CheckResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return porcupine.CheckOperationsTimeout(m, r.ops, patience)
}
