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
const patience = 10 * time.Second

// Recorder collects the operations of one history. The zero value is ready for use.
type Recorder struct {
	clock atomic.Int64

	mu      sync.Mutex
	ops     []porcupine.Operation
	spoiled bool
}

// Unknown as an output says that it is not known what came of the operation (its answer was lost, or too slow). A history
// with one is not judged.
type Unknown struct{ Err error }

// Do records one operation of a client, which does one at a time.
func (r *Recorder) Do(client int, input any, do func() (output any)) {
	called := r.clock.Add(1)
	output := do()
	_, unknown := output.(Unknown)
	op := porcupine.Operation{ClientId: client, Input: input, Call: called, Output: output, Return: r.clock.Add(1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	r.spoiled = r.spoiled || unknown
}

// Len is how many operations there are.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// Check makes histories until so many were judged, and fails the test for one that is not the model's.
func Check(t testing.TB, m porcupine.Model, histories int, make func() *Recorder) {
	t.Helper()
	judged := 0
	for tries := 0; judged < histories; tries++ {
		if tries > 10*histories {
			t.Fatalf("only %d of %d histories could be judged", judged, tries)
		}
		r := make()
		switch r.verdict(m) {
		case porcupine.Ok:
			judged++
		case porcupine.Illegal:
			t.Fatalf("%d operations are not linearizable", r.Len())
		}
	}
}

// Refuted says whether the history cannot be one of the model's.
func (r *Recorder) Refuted(m porcupine.Model) bool { return r.verdict(m) == porcupine.Illegal }

func (r *Recorder) verdict(m porcupine.Model) porcupine.CheckResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spoiled {
		return porcupine.Unknown
	}
	return porcupine.CheckOperationsTimeout(m, r.ops, patience)
}
