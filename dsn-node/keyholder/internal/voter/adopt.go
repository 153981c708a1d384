package voter

import (
	"context"
	"fmt"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Adopt takes a final content as what was decided for its number: the next one, or the last one although another content was
// attested here. That one stays attested, for ever: nothing is signed here. A repeat is a success, and so is what was attested
// here itself.
//
// A content that breaks a rule is refused like one to attest. Only a quorum with dishonest members can have certified it.
func (h *Voter) Adopt(ctx context.Context, m *keyholderv1.Adopted) error {
	err := h.adopt(ctx, m)
	if err != nil {
		return fmt.Errorf("adopt number %d: %w", m.GetContent().GetNumber(), h.failing(err))
	}
	return nil
}

func (h *Voter) adopt(ctx context.Context, m *keyholderv1.Adopted) error {
	if err := content.Check(m.GetContent()); err != nil {
		return err
	}
	if err := h.ours(m.GetCertificate()); err != nil {
		return err
	}
	s, err := attest.VerifyFinal(h.o.Committee, m.GetCertificate())
	if err != nil {
		return err
	}
	if err := over(s, m.GetContent()); err != nil {
		return err
	}
	if s.Number == h.o.Committee.First && s.Previous != (common.Hash{}) {
		return fmt.Errorf("%w: the committee's first number has no predecessor", attest.ErrCertificate)
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	there, err := h.holds(s.Number)
	if err != nil {
		return err
	}
	change, err := h.position().Adopt(there.Held, s, m.GetCertificate().GetView())
	if err != nil {
		return err
	}
	// gofail: var adoptionStoring struct{}
	if err := h.change(ctx, change, s, m); err != nil {
		return err
	}
	// gofail: var adoptionStored struct{}
	if h.last.Follows() == s && !h.last.Final {
		h.last = h.last.finally(m.GetCertificate())
	}
	return nil
}
