package linear

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
)

// register is a model of one number: an int sets it, nil reads it.
func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			if input == nil {
				return output == state, state
			}
			return output == nil, input
		},
	}
}

func history(ops ...porcupine.Operation) *Recorder {
	r := new(Recorder)
	for _, op := range ops {
		r.Do(op.ClientId, op.Input, func() any { return op.Output })
	}
	return r
}

func TestAWriteWhoseAnswerWasLostMayHaveTakenEffectLateOrNever(t *testing.T) {
	lost := Unknown{errors.New("no answer")}
	write := porcupine.Operation{ClientId: 0, Input: 1, Output: lost}
	read := func(n int) porcupine.Operation { return porcupine.Operation{ClientId: 1, Output: n} }
	for name, c := range map[string]struct {
		of      *Recorder
		refuted bool
	}{
		"at once":             {history(write, read(1)), false},
		"never":               {history(write, read(0), read(0)), false},
		"late":                {history(write, read(0), read(1)), false},
		"and taken back":      {history(write, read(1), read(0)), true},
		"before it was begun": {history(read(1), write), true},
		"as another":          {history(write, read(2)), true},
	} {
		if got := c.of.Refuted(register()); got != c.refuted {
			t.Errorf("%s: refuted is %v", name, got)
		}
	}
}

func TestHistoriesAreMadeUntilEnoughWereJudged(t *testing.T) {
	var made atomic.Int64
	Check(t, register(), 3, func() *Recorder {
		made.Add(1)
		return history(porcupine.Operation{Input: 7}, porcupine.Operation{Output: 7})
	})
	if made.Load() != 3 {
		t.Errorf("%d histories were made", made.Load())
	}
}
