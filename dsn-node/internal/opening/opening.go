// Package opening plans what is done with the encrypted bundles of an attested content: which are opened, and which are
// refused and why.
//
// It guarantees that a plan is a function of the attested contents up to its own, so that every honest keyholder and the
// sequencer arrive at the same one without asking each other. It asks of callers to plan only contents that are final for
// their number, as a keyholder's attested ones and the sequencer's accepted ones are.
package opening

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/dsn-node/internal/stoplist"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Bundle is one bundle of a content.
type Bundle struct {
	Index    uint32
	Hash     common.Hash         // of its bytes
	Payload  *te.Payload         // nil when the bytes are not a bundle
	Verified *te.Verified        // its ciphertext when it is opened, else nil
	Refused  *preblockv1.Outcome // why it is not opened, else nil
}

// Plan is what is done with a content's bundles, in their order.
type Plan struct {
	Number  uint64
	Bundles []Bundle
	// Open are the ciphertexts that are opened, in order.
	Open []*te.Verified
}

// Source returns the final content of a number.
type Source func(number uint64) (*preblockv1.Content, error)

// HasBundles tells whether a content has anything to plan.
func HasBundles(c *preblockv1.Content) bool {
	for _, raw := range c.GetTransactions() {
		if te.IsBundle(raw) {
			return true
		}
	}
	return false
}

// Planner makes plans. It may be used from several goroutines; one plan is made at a time.
type Planner struct {
	source Source
	took   func(time.Duration)

	mu     sync.Mutex
	list   *stoplist.List
	recent *Plan // shared by those who ask for the same number; never changed
	closed bool
}

// ErrClosed says that the planner was closed.
var ErrClosed = errors.New("planner is closed")

// New returns a planner over a stop list that it alone uses from now on. took is called with the time of each plan with bundles
// to make.
func New(list *stoplist.List, source Source, took func(time.Duration)) *Planner {
	return &Planner{list: list, source: source, took: took}
}

// Close closes the stop list.
func (p *Planner) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.list.Close()
}

// Plan plans the content of a number. Contents before it that the stop list does not know yet are gone through first.
func (p *Planner) Plan(ctx context.Context, c *preblockv1.Content) (*Plan, error) {
	return p.planned(ctx, c.GetNumber(), func(uint64) (*preblockv1.Content, error) { return c, nil })
}

// PlanNumber plans the content that the source has for a number now.
func (p *Planner) PlanNumber(ctx context.Context, number uint64) (*Plan, error) {
	return p.planned(ctx, number, p.source)
}

// Revise makes a change after which the source has other contents from a number on: no plan is made meanwhile, and none
// of what was there before is left. Without a change, from is 0.
func (p *Planner) Revise(change func() (from uint64, err error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("revise plans: %w", ErrClosed)
	}
	from, err := change()
	if err != nil || from == 0 {
		return err
	}
	if p.recent != nil && p.recent.Number >= from {
		p.recent = nil
	}
	if err := p.list.Forget(from); err != nil {
		p.closed = true // what it holds now must not be planned with
		return errors.Join(err, p.list.Close())
	}
	return nil
}

func (p *Planner) planned(ctx context.Context, number uint64, source Source) (*Plan, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("plan number %d: %w", number, ErrClosed)
	}
	if p.recent != nil && p.recent.Number == number {
		return p.recent, nil
	}
	for next := p.list.Applied() + 1; next < number; next++ {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("plan number %d: %w", number, context.Cause(ctx))
		}
		before, err := p.source(next)
		if err == nil {
			_, err = p.plan(before)
		}
		if err != nil {
			return nil, fmt.Errorf("plan number %d: %w", number, err)
		}
	}
	c, err := source(number)
	if err != nil {
		return nil, fmt.Errorf("plan number %d: %w", number, err)
	}
	plan, err := p.plan(c)
	if err != nil {
		return nil, fmt.Errorf("plan number %d: %w", number, err)
	}
	p.recent = plan
	return plan, nil
}

func (p *Planner) plan(c *preblockv1.Content) (*Plan, error) {
	began := time.Now()
	plan := &Plan{Number: c.GetNumber()}
	for i, raw := range c.GetTransactions() {
		if te.IsBundle(raw) {
			plan.Bundles = append(plan.Bundles, Bundle{Index: uint32(i), Hash: crypto.Keccak256Hash(raw)})
		}
	}
	plan.decode(c)
	if err := plan.verify(); err != nil {
		return nil, err
	}
	entries, err := p.sift(plan)
	if err != nil {
		return nil, err
	}
	if plan.Number > p.list.Applied() {
		if err := p.list.Add(plan.Number, entries); err != nil {
			return nil, err
		}
	}
	if len(plan.Bundles) > 0 {
		p.took(time.Since(began))
	}
	return plan, nil
}

// decode decodes the bundles, which costs group checks of two points each.
func (plan *Plan) decode(c *preblockv1.Content) {
	raws := make([][]byte, len(plan.Bundles))
	for i, b := range plan.Bundles {
		raws[i] = c.GetTransactions()[b.Index]
	}
	decoded, errs := te.DecodeBundles(raws)
	for i := range plan.Bundles {
		b := &plan.Bundles[i]
		if errs[i] != nil {
			b.Refused = outcome.Refuse(b.Index, outcome.Malformed, errs[i].Error())
			continue
		}
		b.Payload = decoded[i].Payload
	}
}

// verify checks the ciphertexts' proofs as one batch.
func (plan *Plan) verify() error {
	var ciphertexts []*te.Ciphertext
	var owners []*Bundle
	for i := range plan.Bundles {
		if b := &plan.Bundles[i]; b.Payload != nil {
			ciphertexts, owners = append(ciphertexts, b.Payload.Ciphertext), append(owners, b)
		}
	}
	verified, err := te.VerifyCiphertexts(ciphertexts)
	if err != nil && !errors.Is(err, te.ErrCiphertext) {
		return err
	}
	for i, b := range owners {
		if verified[i] == nil {
			b.Refused = outcome.Refuse(b.Index, outcome.BadCiphertext, te.ErrCiphertext.Error())
			continue
		}
		b.Verified = verified[i]
	}
	return nil
}

// sift refuses every ciphertext that stands earlier in the order, and returns those that stand here first.
func (p *Planner) sift(plan *Plan) ([]stoplist.Entry, error) {
	var entries []stoplist.Entry
	here := map[common.Hash]outcome.Place{}
	for i := range plan.Bundles {
		b := &plan.Bundles[i]
		if b.Verified == nil {
			continue
		}
		id, place := b.Payload.Ciphertext.ID(), outcome.Place{Number: plan.Number, Index: b.Index}
		first, known := here[id]
		if !known {
			var err error
			if first, known, err = p.list.First(id); err != nil {
				return nil, err
			}
		}
		if known && first != place {
			b.Verified, b.Refused = nil, outcome.RefuseRepeated(b.Index, first)
			continue
		}
		here[id] = place
		plan.Open = append(plan.Open, b.Verified)
		if !known {
			entries = append(entries, stoplist.Entry{ID: id, Index: b.Index})
		}
	}
	return entries, nil
}
