package bplog

import (
	"blindseq/producer-svc/logrecord"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"blindseq/kit/content"
	"blindseq/kit/linear"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/anishathalye/porcupine"
)

// What would-be leaders do to the log; the model's inputs.
type (
	appendOp struct { // → nil, or the error it is refused with
		number uint64
		what   string // the content
		token  uint64
		holder string
	}
	readOp struct{ number uint64 } // → its content, "" when there is none
)

// decidedState is the log as one would have it without concurrency.
type decidedState struct {
	contents string // of each number, followed by a space
	token    uint64
	holder   string
}

func (s decidedState) step(input, output any) (bool, decidedState) {
	have := strings.Fields(s.contents)
	switch op := input.(type) {
	case appendOp:
		refused := s.refuses(op, have)
		if refused == nil {
			s.contents, s.token, s.holder = s.contents+op.what+" ", op.token, op.holder
		}
		return output == refused, s //nolint:errorlint // the recorded output, which is an error or nothing
	case readOp:
		what := ""
		if op.number <= uint64(len(have)) {
			what = have[op.number-1]
		}
		return output == what, s
	}
	return false, s
}

func (s decidedState) refuses(op appendOp, have []string) error {
	last := uint64(len(have))
	switch {
	case op.number <= last && have[op.number-1] == op.what:
		return logrecord.ErrRepeated
	case op.number <= last:
		return logrecord.ErrConflict
	case op.number > last+1:
		return logrecord.ErrGap
	case op.token < s.token, op.token == s.token && op.holder != s.holder:
		return logrecord.ErrStaleToken
	}
	return nil
}

func logModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return decidedState{} },
		Step: func(state, input, output any) (bool, any) { return state.(decidedState).step(input, output) },
	}
}

// appender is what leaders write; Log is one, and so are broken ones.
type appender interface {
	Append(*blueprintv1.LogRecord, content.Hash) error
	Get(number uint64) (*blueprintv1.LogRecord, error)
	Last() uint64
}

// campaign has two would-be leaders, each with a loop and callers, write to one log. Now and then one of them leads anew,
// with a higher token, or with the one that the other has.
func campaign(a appender, seed uint64) *linear.Recorder {
	r := new(linear.Recorder)
	var all sync.WaitGroup
	for c := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(c)))
		w := writer{appender: a, r: r, c: c, rng: rng, holder: string(rune('A' + c/2)), token: 1}
		all.Go(func() {
			for range 25 {
				w.act()
			}
		})
	}
	all.Wait()
	return r
}

type writer struct {
	appender
	r      *linear.Recorder
	c      int
	rng    *rand.Rand
	holder string
	token  uint64
}

func (w *writer) act() {
	next := w.Last() + 1
	switch w.rng.IntN(10) {
	case 0:
		w.token++
	case 1:
		next += uint64(w.rng.IntN(2))
	case 2:
		next = 1 + w.rng.Uint64N(next)
	}
	op := appendOp{next, fmt.Sprintf("%d/%d", next, w.rng.IntN(2)), w.token, w.holder}
	w.r.Do(w.c, op, func() any { return outcome(w.Append(op.record(), content.Hash{})) })
	w.r.Do(w.c, readOp{next}, func() any {
		rec, err := w.Get(next)
		if err != nil {
			return ""
		}
		return rec.GetRequestId()
	})
}

func (op appendOp) record() *blueprintv1.LogRecord {
	parent, body := content.Hash{}, content.Keccak([]byte(op.what))
	return &blueprintv1.LogRecord{
		Number: op.number, ParentHash: parent[:], ContentHash: body[:], RequestId: op.what, Token: op.token, Holder: op.holder,
	}
}

// outcome is the sentinel of an error; nil has to be the untyped one, as the model's is.
func outcome(err error) any {
	for _, known := range []error{logrecord.ErrRepeated, logrecord.ErrConflict, logrecord.ErrGap, logrecord.ErrStaleToken} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err != nil {
		return err
	}
	return error(nil)
}

func TestTheLogsCompareAndSetIsLinearizable(t *testing.T) {
	linear.Check(t, logModel(), 10, func() *linear.Recorder {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		return campaign(open(t, t.TempDir(), Options{}), seed)
	})
}

// brokenLog is a log in memory that lacks something.
type brokenLog struct {
	mu      sync.Mutex
	records []*blueprintv1.LogRecord

	withoutToken, withoutHolder, overwrites, inTwoSteps bool
}

func (b *brokenLog) Last() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(len(b.records))
}

func (b *brokenLog) Get(number uint64) (*blueprintv1.LogRecord, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number > uint64(len(b.records)) {
		return nil, ErrNotFound
	}
	return b.records[number-1], nil
}

func (b *brokenLog) Append(rec *blueprintv1.LogRecord, _ content.Hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refuses(rec); err != nil {
		return err
	}
	if b.inTwoSteps {
		b.mu.Unlock()
		runtime.Gosched()
		b.mu.Lock()
	}
	b.records = append(slices.Clone(b.records[:min(uint64(len(b.records)), rec.GetNumber()-1)]), rec)
	return nil
}

func (b *brokenLog) refuses(rec *blueprintv1.LogRecord) error {
	var s decidedState
	var have []string
	for _, r := range b.records {
		have = append(have, r.GetRequestId())
		s.token, s.holder = r.GetToken(), r.GetHolder()
	}
	op := appendOp{rec.GetNumber(), rec.GetRequestId(), rec.GetToken(), rec.GetHolder()}
	err := s.refuses(op, have)
	stale := errors.Is(err, logrecord.ErrStaleToken)
	switch {
	case stale && b.withoutToken, stale && b.withoutHolder && op.token == s.token, errors.Is(err, logrecord.ErrConflict) && b.overwrites:
		return nil
	}
	return err
}

func TestTheModelOfTheLogRefusesBrokenOnes(t *testing.T) {
	for name, broken := range map[string]func() appender{
		"it forgets the token":            func() appender { return &brokenLog{withoutToken: true} },
		"it takes a token from anyone":    func() appender { return &brokenLog{withoutHolder: true} },
		"it overwrites":                   func() appender { return &brokenLog{overwrites: true} },
		"comparing and setting are apart": func() appender { return &brokenLog{inTwoSteps: true} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if campaign(broken(), seed).Refuted(logModel()) {
					t.Logf("found with seed %d", seed)
					return
				}
			}
			t.Fatal("not found in 500 runs")
		})
	}
	linear.Check(t, logModel(), 1, func() *linear.Recorder { return campaign(&brokenLog{}, 1) }) // nothing is broken
}
