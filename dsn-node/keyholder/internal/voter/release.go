package voter

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"blindseq/dsn-node/internal/opening"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/te"
)

// Release gives the shares of a certified content's bundles, signed. The content is the one attested or adopted
// here: a certificate over any other is refused, so nobody can have opened what this keyholder has not seen the place of.
func (h *Voter) Release(ctx context.Context, cert *preblockv1.Certificate) (*keyholderv1.SignedShares, error) {
	s, err := h.release(ctx, cert)
	if err != nil {
		return nil, fmt.Errorf("release shares of number %d: %w", cert.GetNumber(), err)
	}
	return s, nil
}

func (h *Voter) release(ctx context.Context, cert *preblockv1.Certificate) (*keyholderv1.SignedShares, error) {
	ours := h.o.Committee.Hash()
	if b := cert.GetCommitteeHash(); len(b) == 32 && !bytes.Equal(b, ours[:]) {
		return nil, ErrOtherCommittee
	}
	certified, err := attest.Verify(h.o.Committee, cert)
	if err != nil {
		return nil, err
	}
	if certified.Number > h.store.last() {
		return nil, ErrNotAttested
	}
	if ours, err := h.final(certified.Number); err != nil {
		return nil, err
	} else if ours != certified {
		return nil, ErrOtherOrder
	}
	select {
	case h.releasing <- struct{}{}:
		defer func() { <-h.releasing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if h.released.GetNumber() == certified.Number {
		return h.released, nil
	}
	h.released, err = h.shares(ctx, certified)
	return h.released, err
}

// shares makes the shares of a final content. It stays the final one: that there is a certificate over it was seen.
func (h *Voter) shares(ctx context.Context, certified attest.Statement) (*keyholderv1.SignedShares, error) {
	// gofail: var sharesPlanning struct{}
	plan, err := h.planner.PlanNumber(ctx, certified.Number)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	shares, err := h.o.Share.Shares(plan.Open)
	if err != nil {
		return nil, err
	}
	h.took(StepShares, time.Since(began))
	payload := certified.Hash()
	out := &keyholderv1.SignedShares{
		Authority: uint32(h.o.Share.Authority()), Number: plan.Number, PayloadHash: payload[:], Answers: answers(plan, shares),
	}
	if err := attest.SignShares(h.o.Committee, h.o.Key, out); err != nil {
		return nil, err
	}
	// gofail: var sharesReleasing struct{}
	h.o.Log.InfoContext(ctx, "shares released", "number", plan.Number, "bundles", len(plan.Bundles), "opened", len(plan.Open))
	return out, nil
}

func answers(plan *opening.Plan, shares []*te.DecryptionShare) []*keyholderv1.ShareAnswer {
	out := make([]*keyholderv1.ShareAnswer, len(plan.Bundles))
	for i, b := range plan.Bundles {
		a := &keyholderv1.ShareAnswer{Index: b.Index, BundleHash: b.Hash[:]}
		if b.Verified != nil {
			point := shares[0].Point()
			a.Share, shares = point[:], shares[1:]
		} else {
			u := b.Refused.GetUndecryptable()
			a.Refusal, a.EarlierNumber, a.EarlierIndex = u.GetReason(), u.GetEarlierNumber(), u.GetEarlierIndex()
		}
		out[i] = a
	}
	return out
}
