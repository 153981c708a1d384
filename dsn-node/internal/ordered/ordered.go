// Package ordered applies the rules of contents to the order that one process of the DSN follows.
//
// It guarantees that a content is judged by nothing but the contents before it, so that the sequencer and every honest
// keyholder judge alike, also after a restart; and that a sealed transaction is checked once while it is remembered.
//
// It asks of callers to add each content once it is final for them, in order, and to serialise everything but Sealed.
package ordered

import (
	"context"
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/rules"
)

// Source returns the content of a number that was ordered.
type Source func(number uint64) (*preblockv1.Content, error)

// Order is the rules with what was ordered so far. It begins empty, before the committee's first number.
type Order struct {
	committee *committee.Committee
	checker   *rules.Checker
	window    *rules.Window
	timestamp int64 // of the last content, 0 before the first
}

// New returns the order of a committee that has attested nothing yet.
func New(c *committee.Committee) *Order {
	return &Order{committee: c, checker: rules.NewChecker(c), window: rules.NewWindow(c.First, c.Limits.Lifetime)}
}

// Restore makes the order end with a number: it reads as many contents up to there as the rules look back.
func (o *Order) Restore(ctx context.Context, last uint64, source Source) error {
	first, timestamp := o.committee.First, int64(0)
	w, err := rules.Rebuild(first, max(last, first-1), o.committee.Limits.Lifetime, func(number uint64) ([]seal.Header, error) {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		c, err := source(number)
		if err != nil {
			return nil, err
		}
		timestamp = c.GetTimestamp().GetSeconds()
		return rules.Headers(c)
	})
	if err != nil {
		return fmt.Errorf("restore the order up to number %d: %w", last, err)
	}
	o.window, o.timestamp = w, timestamp
	return nil
}

// Rewind makes the order end with an earlier number.
func (o *Order) Rewind(ctx context.Context, last uint64, source Source) error {
	timestamp := int64(0)
	if last >= o.committee.First {
		c, err := source(last)
		if err != nil {
			return fmt.Errorf("rewind the order to number %d: %w", last, err)
		}
		timestamp = c.GetTimestamp().GetSeconds()
	}
	if o.window.Rewind(last) {
		o.timestamp = timestamp
		return nil
	}
	return o.Restore(ctx, last, source)
}

// Last is the number that the order ends with, one before the committee's first when it is empty.
func (o *Order) Last() uint64 { return o.window.Last() }

// Check examines the content of the next number. A refusal wraps rules.ErrContent and the reason.
func (o *Order) Check(c *preblockv1.Content) error {
	if err := rules.CheckTimestamp(o.timestamp, c.GetTimestamp().GetSeconds()); err != nil {
		return fmt.Errorf("check content %d: %w", c.GetNumber(), err)
	}
	_, err := o.checker.Check(c, o.window)
	return err
}

// Add puts the content of the next number at the end.
func (o *Order) Add(c *preblockv1.Content) error {
	if err := o.window.Add(c); err != nil {
		return fmt.Errorf("add number %d to the order: %w", c.GetNumber(), err)
	}
	o.timestamp = c.GetTimestamp().GetSeconds()
	return nil
}

// Sealed returns the sealed transactions of a content that is in the order, checked. Any goroutine may call it.
func (o *Order) Sealed(c *preblockv1.Content) ([]rules.Transaction, error) {
	txs, err := o.checker.Sealed(c)
	if err != nil {
		return nil, fmt.Errorf("read sealed transactions of number %d: %w", c.GetNumber(), err)
	}
	return txs, nil
}

// HasSealed tells whether a content has sealed transactions.
func HasSealed(c *preblockv1.Content) bool {
	for _, raw := range c.GetTransactions() {
		if seal.IsSealed(raw) {
			return true
		}
	}
	return false
}

// Keyless is the order of a sequencer without keyholders. No key is in force there, so it refuses every sealed transaction.
type Keyless struct{}

// Restore does nothing.
func (Keyless) Restore(context.Context, uint64, Source) error { return nil }

// Check refuses a content with a sealed transaction.
func (Keyless) Check(c *preblockv1.Content) error {
	if HasSealed(c) {
		return fmt.Errorf("%w: a transaction is sealed and the DSN has no keyholders: %w", rules.ErrContent, seal.ErrKey)
	}
	return nil
}

// Add does nothing.
func (Keyless) Add(*preblockv1.Content) error { return nil }
