package bundles

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"blindseq/producer-svc/internal/txstore"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
)

// candidate is a bundle on its way into the pool.
type candidate struct {
	entry
	input  []byte
	bundle *te.Bundle
	err    error
}

// Submit takes bundles in one go: the proofs of all ciphertexts are verified together, and one fsync makes all durable.
// For each there is its hash or an error that says what is wrong with it.
func (p *Pool) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	began := time.Now()
	all := p.examineAll(ctx, raws)
	reserved := p.reserve(all)
	proven := p.prove(reserved)
	if p.cfg.Checked != nil {
		p.cfg.Checked(time.Since(began))
	}
	var durable []txstore.Tx
	for _, c := range proven {
		durable = append(durable, txstore.Tx{Hash: c.hash, Raw: c.input})
	}
	if err := p.cfg.Store.AddBundles(durable); err != nil {
		for _, c := range proven {
			c.err = err
		}
	}
	p.finish(reserved)
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	for i, c := range all {
		if errs[i] = c.err; c.err == nil {
			hashes[i] = c.hash
		}
	}
	return hashes, errs
}

// examineAll examines on all processors.
func (p *Pool) examineAll(ctx context.Context, raws [][]byte) []*candidate {
	all := make([]*candidate, len(raws))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, raw := range raws {
		g.Go(func() error { all[i] = p.examine(ctx, raw); return nil })
	}
	_ = g.Wait() // what is wrong with a candidate is in it
	return all
}

// examine does what needs no look at others: format, bundler.
func (p *Pool) examine(ctx context.Context, raw []byte) *candidate {
	c := &candidate{input: raw}
	if c.err = ctx.Err(); c.err != nil {
		return c
	}
	if c.bundle, c.err = te.DecodeBundle(raw); c.err != nil {
		return c
	}
	c.hash, c.id, c.claims = crypto.Keccak256Hash(raw), c.bundle.Payload.Ciphertext.ID(), claims(c.bundle)
	c.err = p.checkSigner(c.bundle)
	return c
}

func (p *Pool) checkSigner(b *te.Bundle) error {
	if b.Signature == nil && p.cfg.Allowed == nil {
		return nil
	}
	signer, err := b.Signer()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	if p.cfg.Allowed != nil && !p.cfg.Allowed[signer] {
		return fmt.Errorf("%w: %s", ErrSigner, signer)
	}
	return nil
}

// reserve keeps places for those that may come in, so that of two at the same time one does.
func (p *Pool) reserve(all []*candidate) (reserved []*candidate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range all {
		if c.err != nil {
			continue
		}
		if c.err = p.mayEnter(c); c.err != nil {
			continue
		}
		if len(p.byHash) >= p.cfg.Limits.Bundles || p.bytes+len(c.input) > p.cfg.Limits.Bytes {
			c.err = fmt.Errorf("%w: %d bundles of %d bytes wait", ErrFull, len(p.byHash), p.bytes)
			continue
		}
		p.byHash[c.hash], p.byID[c.id] = &c.entry, &c.entry
		p.bytes += len(c.input)
		reserved = append(reserved, c)
	}
	return reserved
}

// mayEnter refuses what was seen before. The caller holds mu.
func (p *Pool) mayEnter(c *candidate) error {
	if e, ok := p.byHash[c.hash]; ok {
		if e.raw == nil {
			return ErrBusy
		}
		return ErrKnown
	}
	if _, ok := p.byID[c.id]; ok {
		return ErrCiphertextKnown
	}
	for _, name := range []common.Hash{c.hash, c.id} {
		number, ok, err := p.cfg.Ordered(name)
		if err != nil {
			return err
		}
		if ok {
			return fmt.Errorf("%w: in block %d", ErrOrdered, number)
		}
	}
	return nil
}

// prove returns those whose ciphertext's proof holds.
func (p *Pool) prove(reserved []*candidate) (proven []*candidate) {
	ciphertexts := make([]*te.Ciphertext, len(reserved))
	for i, c := range reserved {
		ciphertexts[i] = c.bundle.Payload.Ciphertext
	}
	verified, err := te.VerifyCiphertexts(ciphertexts)
	bad := new(te.BadCiphertexts)
	if err != nil && !errors.As(err, &bad) {
		for _, c := range reserved {
			c.err = err
		}
		return nil
	}
	for i, c := range reserved {
		if verified[i] == nil {
			c.err = fmt.Errorf("verify ciphertext: %w", te.ErrCiphertext)
			continue
		}
		proven = append(proven, c)
	}
	return proven
}

// finish admits the bundles that are durable and releases the places reserved for the others.
func (p *Pool) finish(reserved []*candidate) {
	arrived := false
	for _, c := range reserved {
		if c.err != nil {
			p.mu.Lock()
			p.forget(&c.entry)
			p.bytes -= len(c.input)
			p.mu.Unlock()
			continue
		}
		p.admit(&c.entry, c.input)
		arrived = true
	}
	if arrived && p.cfg.Arrived != nil {
		p.cfg.Arrived()
	}
}
