// Package engine turns what the DSN has fixed into blocks. It is the only code that appends to the blueprint log, applies to
// the chain and publishes; the critical section and the follower both go through it.
//
// It guarantees: a content that breaks a rule never gets into the log; a preblock is in the log, durable, before it is applied,
// and applied before it is published; a repeat of what the log has is a success; every error is an *Error of one Kind, and a
// disk that cannot be written ends the process (package-level type End).
//
// It asks of callers: one of them appends at a time, the section under the consumption lock or the follower while no section
// runs. What the log has is applied, whatever becomes of the caller.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"blindseq/kit/content"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Log is the blueprint log; package bplog has it.
type Log interface {
	Append(rec *blueprintv1.LogRecord, head content.Hash) error
	// BeginFollowed writes a followed record; durable, which must be called once, waits until it is on the disk.
	BeginFollowed(rec *blueprintv1.LogRecord, head content.Hash, token uint64) (durable func() error, err error)
	Get(number uint64) (*blueprintv1.LogRecord, error)
	ByRequest(id string) (number uint64, ok bool)
	Last() uint64
}

// Chain executes blueprints.
type Chain interface {
	Head() section.Head
	// Apply executes a record; a repeat gives the same. Nothing of it is written before durable, unless it is nil, has
	// returned; after an error of it nothing is.
	Apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error)
	// BlockHash is the hash of an applied block.
	BlockHash(number uint64) (content.Hash, bool)
	// BaseFee is that of the block on top of the head, in wei.
	BaseFee() uint64
}

// Publisher is notified of each applied block.
type Publisher interface{ Publish(number uint64) }

// Deps is what an Engine works with.
type Deps struct {
	Log       Log
	Chain     Chain
	Delayed   logrecord.Delayed
	Publisher Publisher
	End       *End
	// Check refuses a content that breaks a rule, before it is appended; nil when there are none.
	Check func(*preblockv1.Content) error
	// Decided is called with each new record; nil when nobody wants to know.
	Decided func(rec *blueprintv1.LogRecord) error
	// False is called with the wrong claims of a content before its block is made; nil when nobody wants to know.
	False func(rec *blueprintv1.LogRecord, claims []logrecord.False)
	// Final is called with each preblock that this engine is about to execute; nil for nothing.
	Final func(*preblockv1.Preblock)
	// Token is the highest fencing token that another leader is known to have; nil for none.
	Token func() uint64
}

// Engine makes blocks. New makes one.
type Engine struct{ Deps }

// New returns an Engine.
func New(d Deps) *Engine {
	if d.Check == nil {
		d.Check = func(*preblockv1.Content) error { return nil }
	}
	if d.Decided == nil {
		d.Decided = func(*blueprintv1.LogRecord) error { return nil }
	}
	if d.Final == nil {
		d.Final = func(*preblockv1.Preblock) {}
	}
	if d.False == nil {
		d.False = func(*blueprintv1.LogRecord, []logrecord.False) {}
	}
	if d.Token == nil {
		d.Token = func() uint64 { return 0 }
	}
	return &Engine{Deps: d}
}

// Turn is what entitles a section to append: the head it builds on, and its hold on the consumption lock.
type Turn struct {
	Head   section.Head
	Token  uint64
	Holder string
}

// Append makes a preblock durable as the next record, and returns what the log holds for its number. This decides the block.
func (e *Engine) Append(p *preblockv1.Preblock, t Turn) (*blueprintv1.LogRecord, error) {
	rec, err := e.record(p, t.Head, e.Delayed)
	if err != nil {
		return nil, err
	}
	rec.Token, rec.Holder = t.Token, t.Holder
	// gofail: var sectionAppending struct{}
	return e.appended(rec, e.Log.Append(rec, t.Head.Hash))
}

// Follow appends, applies and publishes a preblock without the lock, on a replica that follows. given has delayed
// transactions besides those known here, by hash; nil for none.
func (e *Engine) Follow(ctx context.Context, p *preblockv1.Preblock, given map[content.Hash][]byte) (section.Block, error) {
	head := e.Chain.Head()
	if err := section.Follows(head, p); err != nil {
		return section.Block{}, e.classify(err)
	}
	rec, err := e.record(p, head, supplied{next: e.Delayed, raws: given})
	if err != nil {
		return section.Block{}, err
	}
	durable, err := e.Log.BeginFollowed(rec, head.Hash, e.Token())
	if err != nil { // a repeat, or nothing was written
		if rec, err = e.appended(rec, err); err != nil {
			return section.Block{}, err
		}
		return e.published(e.Apply(ctx, rec))
	}
	return e.published(e.apply(ctx, rec, e.deciding(rec, durable)))
}

// deciding waits until a record is durable, and notes it.
func (e *Engine) deciding(rec *blueprintv1.LogRecord, durable func() error) func() error {
	return sync.OnceValue(func() error {
		if err := durable(); err != nil {
			return err
		}
		return e.Decided(rec)
	})
}

func (e *Engine) published(block section.Block, err error) (section.Block, error) {
	if err == nil {
		e.Publisher.Publish(block.Number)
	}
	return block, err
}

// record is the record of a preblock whose content keeps the rules, on top of the head.
func (e *Engine) record(p *preblockv1.Preblock, head section.Head, delayed logrecord.Delayed) (*blueprintv1.LogRecord, error) {
	if err := e.Check(p.GetContent()); err != nil {
		return nil, e.classify(err)
	}
	e.Final(p)
	rec, err := logrecord.Of(p, logrecord.Parent{Hash: head.Hash, Time: head.Time}, delayed)
	return rec, e.classify(err)
}

// appended is what the log holds after an append of rec that gave err.
func (e *Engine) appended(rec *blueprintv1.LogRecord, err error) (*blueprintv1.LogRecord, error) {
	if err == nil {
		return rec, e.classify(e.Decided(rec))
	}
	if errors.Is(err, logrecord.ErrRepeated) {
		rec, err = e.Log.Get(rec.GetNumber())
	}
	return rec, e.classify(err)
}

// Apply executes a decided record, also when ctx ends meanwhile. What its content says wrongly is reported each time that the
// record becomes the head, so a crash in between loses no report.
func (e *Engine) Apply(ctx context.Context, rec *blueprintv1.LogRecord) (section.Block, error) {
	return e.apply(ctx, rec, nil)
}

// apply executes a record while durable, of which repeats are harmless, waits for its disk. It is called in any case.
func (e *Engine) apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	if e.Chain.Head().Number+1 == rec.GetNumber() {
		if claims := logrecord.FalseClaims(rec, e.Chain.BaseFee()); len(claims) > 0 {
			e.False(rec, claims)
		}
	}
	block, err := e.Chain.Apply(context.WithoutCancel(ctx), rec, durable)
	if durable != nil {
		if failed := durable(); failed != nil {
			err = failed // the rest follows from it
		}
	}
	if err != nil {
		return block, e.classify(fmt.Errorf("apply blueprint %d: %w", rec.GetNumber(), err))
	}
	return block, nil
}

// Publish notifies subscribers of an applied block.
func (e *Engine) Publish(number uint64) { e.Publisher.Publish(number) }

// Head is the last applied block.
func (e *Engine) Head() section.Head { return e.Chain.Head() }

// Known finds the applied block that a request gave, if it is one of the last many.
func (e *Engine) Known(requestID string) (section.Block, bool) {
	number, ok := e.Log.ByRequest(requestID)
	if !ok {
		return section.Block{}, false
	}
	rec, err := e.Log.Get(number)
	if err != nil {
		return section.Block{}, false
	}
	hash, ok := e.Chain.BlockHash(number)
	if !ok {
		return section.Block{}, false
	}
	return section.BlockOf(rec, hash), true
}

// RequestOf is the request that a blueprint answered; empty when there was none.
func (e *Engine) RequestOf(number uint64) string {
	rec, err := e.Log.Get(number)
	if err != nil {
		return ""
	}
	return rec.GetRequestId()
}

// supplied is the delayed transactions known here and those another replica gave. Who gave them need not be trusted: their
// hashes are in the preblock.
type supplied struct {
	next logrecord.Delayed
	raws map[content.Hash][]byte
}

func (s supplied) Raw(hash content.Hash) ([]byte, bool, error) {
	if raw, ok := s.raws[hash]; ok {
		return raw, true, nil
	}
	return s.next.Raw(hash)
}
