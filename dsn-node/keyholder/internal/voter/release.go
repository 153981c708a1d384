package voter

import (
	"context"
	"fmt"
	"runtime"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"golang.org/x/sync/errgroup"
)

// Release gives the shares of a final content's sealed transactions, signed: bare ones of all, or with proof those at the indexes
// named in proven. The content is the one held here: a certificate over any other, or without the locks of a quorum, is refused,
// so nobody can have opened what might still lose its place.
func (h *Voter) Release(ctx context.Context, cert *preblockv1.Certificate, proven []uint32) (*keyholderv1.SignedShares, error) {
	s, err := h.release(ctx, cert, proven)
	if err != nil {
		return nil, fmt.Errorf("release shares of number %d: %w", cert.GetNumber(), err)
	}
	return s, nil
}

func (h *Voter) release(ctx context.Context, cert *preblockv1.Certificate, proven []uint32) (*keyholderv1.SignedShares, error) {
	if err := h.ours(cert); err != nil {
		return nil, err
	}
	final, err := attest.VerifyFinal(h.o.Committee, cert)
	if err != nil {
		return nil, err
	}
	c, err := h.final(ctx, final, cert)
	if err != nil {
		return nil, h.failing(err)
	}
	select {
	case h.releasing <- struct{}{}:
		defer func() { <-h.releasing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if len(proven) > 0 {
		return h.prove(ctx, final, c, proven)
	}
	if h.released.GetNumber() != final.Number {
		h.released, err = h.shares(ctx, final, c)
	}
	return h.released, err
}

// final takes note that what is held for a number is final, and returns it.
func (h *Voter) final(ctx context.Context, s attest.Statement, cert *preblockv1.Certificate) (*preblockv1.Content, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	there, err := h.holds(s.Number)
	if err != nil {
		return nil, err
	}
	if err := h.position().Release(there.Held, s); err != nil {
		return nil, err
	}
	if there == h.last && !there.Final {
		h.last = there.finally(cert)
	}
	return there.content(), nil
}

// shares makes bare shares of a final content. It stays the final one: that there is a certificate over it was seen.
func (h *Voter) shares(ctx context.Context, final attest.Statement, c *preblockv1.Content) (*keyholderv1.SignedShares, error) {
	// gofail: var sharesMaking struct{}
	txs, err := h.order.Sealed(c)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	checked := make([]*seal.Checked, len(txs))
	for i, tx := range txs {
		checked[i] = tx.Checked
	}
	shares, err := h.o.Share.Shares(checked)
	if err != nil {
		return nil, err
	}
	h.took(StepShares, time.Since(began))
	answers := make([]*keyholderv1.ShareAnswer, len(txs))
	for i, tx := range txs {
		answers[i] = answer(tx, shares[i])
	}
	out, err := h.signShares(final, answers)
	if err != nil {
		return nil, err
	}
	// gofail: var sharesReleasing struct{}
	h.o.Log.InfoContext(ctx, "shares released", "number", final.Number, "sealed", len(txs))
	return out, nil
}

// prove makes shares with proof of the sealed transactions at some indexes of a final content.
func (h *Voter) prove(ctx context.Context, final attest.Statement, c *preblockv1.Content, indexes []uint32) (*keyholderv1.SignedShares, error) {
	txs, err := h.order.Sealed(c)
	if err != nil {
		return nil, err
	}
	if txs, err = at(txs, indexes); err != nil {
		return nil, err
	}
	began := time.Now()
	answers := make([]*keyholderv1.ShareAnswer, len(txs))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, tx := range txs {
		g.Go(func() error {
			share, proof, err := h.o.Share.ShareWithProof(tx.Checked)
			answers[i] = answer(tx, share)
			answers[i].Proof = proof[:]
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	h.took(StepProve, time.Since(began))
	out, err := h.signShares(final, answers)
	if err == nil {
		h.o.Log.InfoContext(ctx, "shares released with proof", "number", final.Number, "sealed", len(txs))
	}
	return out, err
}

func answer(tx rules.Transaction, share seal.Share) *keyholderv1.ShareAnswer {
	id := tx.Sealed().ID()
	return &keyholderv1.ShareAnswer{Index: tx.Index, Id: id[:], Share: share.Point[:]}
}

// at returns the sealed transactions at some indexes.
func at(txs []rules.Transaction, indexes []uint32) ([]rules.Transaction, error) {
	places := make(map[uint32]rules.Transaction, len(txs))
	for _, tx := range txs {
		places[tx.Index] = tx
	}
	out := make([]rules.Transaction, len(indexes))
	for i, index := range indexes {
		tx, ok := places[index]
		if !ok || i > 0 && index <= indexes[i-1] {
			return nil, fmt.Errorf("%w: %d", ErrIndex, index)
		}
		out[i] = tx
	}
	return out, nil
}

func (h *Voter) signShares(final attest.Statement, answers []*keyholderv1.ShareAnswer) (*keyholderv1.SignedShares, error) {
	payload := final.Hash()
	out := &keyholderv1.SignedShares{
		Authority: uint32(h.o.Share.Authority()), Number: final.Number, PayloadHash: payload[:], Answers: answers,
	}
	if err := attest.SignShares(h.o.Committee, h.o.Key, out); err != nil {
		return nil, err
	}
	return out, nil
}
