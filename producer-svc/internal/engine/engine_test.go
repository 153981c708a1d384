package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"blindseq/kit/content"
	"blindseq/kit/ops"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
)

// failing is a log whose appends fail, with the record it holds.
type failing struct {
	engine.Log
	err  error
	held *blueprintv1.LogRecord
}

func (l failing) Append(*blueprintv1.LogRecord, content.Hash) error { return l.err }
func (l failing) BeginFollowed(*blueprintv1.LogRecord, content.Hash, uint64) (func() error, error) {
	return func() error { return nil }, l.err
}
func (l failing) Get(uint64) (*blueprintv1.LogRecord, error) { return l.held, nil }

// published counts.
type published int

func (p *published) Publish(uint64) { *p++ }

// rig is an engine on fakes.
type rig struct {
	*engine.Engine
	chain     *fakes.Chain
	end       *engine.End
	published published
	decided   int
	breaks    error // the rule that each content breaks
	change    func(*preblockv1.Preblock)
}

func newRig(appends error, held *blueprintv1.LogRecord, applies error) *rig {
	r := &rig{chain: fakes.NewChain(), end: engine.NewEnd(ops.NewHealth())}
	r.chain.Fail = applies
	r.Engine = engine.New(engine.Deps{
		Log: failing{err: appends, held: held}, Chain: r.chain, Publisher: &r.published, End: r.end,
		Check:   func(*preblockv1.Content) error { return r.breaks },
		Decided: func(*blueprintv1.LogRecord) error { r.decided++; return nil },
	})
	return r
}

func (r *rig) preblock() *preblockv1.Preblock {
	p := fakes.Preblock(r.chain.Head(), &proposalv1.RequestProposalRequest{RequestId: "r"}, [][]byte{{1}}, nil)
	if r.change != nil {
		r.change(p)
	}
	return p
}

// section is what a critical section does with a preblock.
func (r *rig) section(ctx context.Context) error {
	rec, err := r.Append(r.preblock(), engine.Turn{Head: r.chain.Head(), Token: 1, Holder: "me"})
	if err == nil {
		_, err = r.Apply(ctx, rec)
	}
	return err
}

func (r *rig) follow(ctx context.Context) error {
	_, err := r.Follow(ctx, r.preblock(), nil)
	return err
}

var errOther = errors.New("the test ends")

// ends returns what the process ends with; errOther when nothing ended it before.
func (r *rig) ends(ctx context.Context) error {
	r.end.Fail(errOther) // the first error is kept
	return r.end.Run(ctx)
}

// TestAnErrorHasOneKindWhoeverMeetsIt: a section and a follower that meet the same error come to the same conclusion, and only
// a broken disk ends the process.
func TestAnErrorHasOneKindWhoeverMeetsIt(t *testing.T) {
	callers := map[string]func(*rig) error{
		"a section":  func(r *rig) error { return r.section(t.Context()) },
		"a follower": func(r *rig) error { return r.follow(t.Context()) },
	}
	for cause, want := range map[error]engine.Kind{
		wal.ErrBroken:               engine.Broken,
		txstore.ErrBroken:           engine.Broken,
		chain.ErrBroken:             engine.Broken,
		logrecord.ErrStaleToken:     engine.Interrupt,
		logrecord.ErrUnknownDelayed: engine.Refusal,
		logrecord.ErrOutcomes:       engine.Alarm,
		chain.ErrExecution:          engine.Alarm,
		errors.New("unforeseen"):    engine.Alarm,
	} {
		wrapped := fmt.Errorf("write block: %w", cause)
		for where, build := range map[string]func() *rig{
			"log":   func() *rig { return newRig(wrapped, nil, nil) },
			"chain": func() *rig { return newRig(nil, nil, wrapped) },
		} {
			for who, meets := range callers {
				r := build()
				err := meets(r)
				if !errors.Is(err, cause) || engine.KindOf(err) != want {
					t.Errorf("%s, %v of the %s: got %v of kind %d, want kind %d", who, cause, where, err, engine.KindOf(err), want)
				}
				if end := r.ends(t.Context()); errors.Is(end, cause) != (want == engine.Broken) {
					t.Errorf("%s, %v of the %s: the process ends with %v", who, cause, where, end)
				}
				if r.published != 0 {
					t.Errorf("%s, %v of the %s: a block was published that was not applied", who, cause, where)
				}
			}
		}
	}
}

func TestAContentThatBreaksARuleIsAnAlarmAndNotAppended(t *testing.T) {
	for who, meets := range map[string]func(*rig) error{
		"a section":  func(r *rig) error { return r.section(t.Context()) },
		"a follower": func(r *rig) error { return r.follow(t.Context()) },
	} {
		r := newRig(nil, nil, nil)
		r.breaks = errOther
		if err := meets(r); !errors.Is(err, errOther) || engine.KindOf(err) != engine.Alarm || r.decided != 0 {
			t.Errorf("%s: got %v of kind %d, %d appended", who, err, engine.KindOf(err), r.decided)
		}
	}
}

func TestWrongClaimsOfAFinalContentAreReportedWhenItBecomesTheHead(t *testing.T) {
	for who, meets := range map[string]func(*rig) error{
		"a section":  func(r *rig) error { return r.section(t.Context()) },
		"a follower": func(r *rig) error { return r.follow(t.Context()) },
	} {
		r := newRig(nil, nil, nil)
		var reported []logrecord.False
		r.False = func(rec *blueprintv1.LogRecord, claims []logrecord.False) {
			if rec.GetNumber() != 1 || r.chain.Head().Number != 0 {
				t.Errorf("%s: %d is reported at head %d", who, rec.GetNumber(), r.chain.Head().Number)
			}
			reported = append(reported, claims...)
		}
		r.change = func(p *preblockv1.Preblock) {
			p.Certificate, p.Content.PreviousBlockHash = &preblockv1.Certificate{}, make([]byte, 32)
			hash := content.HashOf(p.GetContent())
			p.ContentHash = hash[:]
		}
		if err := meets(r); err != nil || r.chain.Head().Number != 1 {
			t.Fatalf("%s: head %d, %v", who, r.chain.Head().Number, err)
		}
		if len(reported) != 1 || reported[0].Claim != logrecord.ClaimParent {
			t.Errorf("%s: reported %v", who, reported)
		}
	}
}

func TestAnErrorThatNobodyClassifiedIsAnAlarm(t *testing.T) {
	if kind := engine.KindOf(errOther); kind != engine.Alarm {
		t.Errorf("got kind %d", kind)
	}
}

func TestARepeatIsASuccessWithWhatTheLogHolds(t *testing.T) {
	held := &blueprintv1.LogRecord{Number: 1, Token: 7}
	r := newRig(fmt.Errorf("append: %w", logrecord.ErrRepeated), held, nil)
	rec, err := r.Append(r.preblock(), engine.Turn{Head: r.chain.Head(), Token: 9, Holder: "me"})
	if err != nil || rec != held {
		t.Errorf("got %v, %v", rec, err)
	}
	if r.decided != 0 {
		t.Error("a repeat was reported as newly decided")
	}
}

// TestADecidedBlockIsAppliedWhenItsCallerHasGone: what the log has must not wait for another caller.
func TestADecidedBlockIsAppliedWhenItsCallerHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for who, makes := range map[string]func(*rig) error{
		"a section":  func(r *rig) error { return r.section(ctx) },
		"a follower": func(r *rig) error { return r.follow(ctx) },
	} {
		seen := &watched{Chain: fakes.NewChain()}
		r := &rig{chain: seen.Chain}
		r.Engine = engine.New(engine.Deps{Log: failing{}, Chain: seen, Publisher: &r.published})
		if err := makes(r); err != nil || seen.err != nil || seen.Head().Number != 1 {
			t.Errorf("%s: got %v, the chain saw a context with %v", who, err, seen.err)
		}
	}
}

// watched is a chain that looks at the context of Apply.
type watched struct {
	*fakes.Chain
	err error
}

func (c *watched) Apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	c.err = ctx.Err()
	return c.Chain.Apply(ctx, rec, durable)
}
