package voter

import (
	"context"
	"fmt"

	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Report tells a keyholder that lost its votes how far the order is certified, as far as is known here. A keyholder that lost its
// own votes reports only when it has what it may have signed before, or nothing at all, as in a new committee.
func (h *Voter) Report(ctx context.Context, challenge common.Hash) (*keyholderv1.Report, error) {
	cert, err := h.highest(ctx)
	if err != nil {
		return nil, fmt.Errorf("report: %w", h.failing(err))
	}
	return attest.SignReport(h.o.Committee, h.o.Key, h.o.Share.Authority(), challenge, cert)
}

// highest is the certificate of the highest number that was locked or is known as final, nil for none.
func (h *Voter) highest(ctx context.Context) (*preblockv1.Certificate, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	switch {
	case h.signsFrom == 0 && h.last != nil,
		h.signsFrom > h.o.Committee.First && h.position().Number()+1 < h.signsFrom:
		return nil, vote.ErrRestored
	case h.last == nil:
		return nil, nil
	case h.last.cert != nil:
		return h.last.cert, nil
	}
	for number := h.position().Number() - 1; number >= h.o.Committee.First; number-- {
		r, err := h.store.read(number)
		if err != nil || r.cert != nil {
			return r.cert, err
		}
	}
	return nil, nil
}

// Restore takes the reports of peers on how far the order is certified and returns the lowest number that is signed for from
// here on. A repeat is a success.
func (h *Voter) Restore(ctx context.Context, reports []*keyholderv1.Report) (signsFrom uint64, err error) {
	if signsFrom, err = h.restore(ctx, reports); err != nil {
		return 0, fmt.Errorf("restore: %w", h.failing(err))
	}
	return signsFrom, nil
}

func (h *Voter) restore(ctx context.Context, reports []*keyholderv1.Report) (uint64, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	if h.signsFrom > 0 {
		return h.signsFrom, nil
	}
	certified, err := h.certifiedBy(reports)
	if err != nil {
		return 0, err
	}
	c := h.o.Committee
	from, err := vote.SignsFrom(c.First, c.Size(), c.Quorum(), certified)
	if err != nil {
		return 0, err
	}
	// gofail: var restoreStoring struct{}
	if err := h.store.restore(from, h.store.last()); err != nil {
		return 0, err
	}
	// gofail: var restoreStored struct{}
	h.signsFrom = from
	h.o.Log.InfoContext(ctx, "keyholder restored by the reports of its peers", "authority", h.o.Share.Authority(), "reports", len(reports),
		"signs_from", from)
	return from, nil
}

// certifiedBy verifies reports of different peers and returns the highest number that each shows as certified.
func (h *Voter) certifiedBy(reports []*keyholderv1.Report) ([]uint64, error) {
	seen := map[uint32]bool{uint32(h.o.Share.Authority()): true}
	out := make([]uint64, len(reports))
	for i, r := range reports {
		if seen[r.GetAuthority()] {
			return nil, fmt.Errorf("%w: authority %d is this keyholder, or has two reports", attest.ErrReport, r.GetAuthority())
		}
		seen[r.GetAuthority()] = true
		var err error
		if out[i], err = attest.VerifyReport(h.o.Committee, r, h.challenge); err != nil {
			return nil, err
		}
	}
	return out, nil
}
