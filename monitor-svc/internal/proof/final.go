package proof

import (
	"bytes"
	"context"
	"fmt"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Committed says whether there is a committee, without which nothing is final before it is fixed.
func (c *Checker) Committed() bool { return c.committee != nil }

// CheckFinal refuses a content that is not shown to be final, or that does not follow the number before it. Nothing of it is kept:
// the preblock of the number is checked like any other.
func (c *Checker) CheckFinal(ctx context.Context, f *preblockv1.Final) error {
	number := f.GetContent().GetNumber()
	if err := content.Check(f.GetContent()); err != nil {
		return fmt.Errorf("check final content: %w", err)
	}
	if hash := content.HashOf(f.GetContent()); !bytes.Equal(hash[:], f.GetContentHash()) {
		return fmt.Errorf("check final content %d: its hash is %x, not %x as it says", number, hash, f.GetContentHash())
	}
	p := &preblockv1.Preblock{Content: f.GetContent(), ContentHash: f.GetContentHash(), Certificate: f.GetCertificate()}
	if _, err := attest.VerifyPreblock(c.committee, p); err != nil {
		return fmt.Errorf("check final content: %w", err)
	}
	previous, err := c.before(ctx, number)
	if err != nil {
		return fmt.Errorf("check final content %d: %w", number, err)
	}
	if got := common.Hash(f.GetCertificate().GetPreviousPayloadHash()); got != previous {
		return fmt.Errorf("check final content %d: %w: it follows %s, number %d is %s", number, ErrBroken, got, number-1, previous)
	}
	return nil
}
