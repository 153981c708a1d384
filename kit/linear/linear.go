// Package linear checks that concurrent operations on an object are linearizable: porcupine decides whether each could have
// taken effect at one moment between its call and its return.
//
// An operation whose answer was lost is checked too: it may have taken effect at any moment after its call, or never. So the
// state after a model's step must not depend on the output.
//
// It is for tests. A model that accepts everything shows nothing: test it with a broken variant of the object too.
package linear

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience bounds a check, which may take exponential time.
const patience = 3 * time.Second

// Recorder collects the operations of one history. The zero value is ready for use.
type Recorder struct {
	clock atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

// Unknown as an output says that it is not known what came of the operation: its answer was lost, or too slow.
type Unknown struct{ Err error }

// Or is the output of an operation that failed with err, or did not.
func Or(output any, err error) any {
	if err != nil {
		return Unknown{err}
	}
	return output
}

// Do records one operation of a client, which does one at a time.
func (r *Recorder) Do(client int, input any, do func() (output any)) {
	op := porcupine.Operation{ClientId: client, Input: input, Call: r.clock.Add(1)}
	op.Output = do()
	op.Return = r.clock.Add(1)
	if isUnknown(op.Output) {
		op.Return = math.MaxInt64 // what was sent may still be on its way
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
}

func isUnknown(output any) bool {
	_, unknown := output.(Unknown)
	return unknown
}

// Len is how many operations there are.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// Check makes histories until so many were judged in time, and fails the test for one that is not the model's.
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
	step := m.Step
	m.Step = func(state, input, output any) (bool, any) {
		legal, next := step(state, input, output)
		return legal || isUnknown(output), next
	}
	return porcupine.CheckOperationsTimeout(m, r.ops, patience)
}
