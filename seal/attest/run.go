package attest

import (
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
)

// VerifyRun is VerifyPreblock for preblocks of consecutive numbers, and looks at the signatures of the last certificate only. They are
// about all contents before it: a payload hash has the one before in it, and a keyholder signs one only after the content before is
// final. The certificates before the last may have signatures that do not hold, so they prove nothing to somebody else.
//
// An error does not say which of them it is about; VerifyPreblock does.
func VerifyRun(c *committee.Committee, run []*preblockv1.Preblock) ([]common.Hash, error) {
	hashes := make([]common.Hash, 0, len(run))
	for i, p := range run {
		s, err := claimed(c, p)
		switch {
		case err != nil:
			return nil, err
		case i > 0 && (s.Number != run[i-1].GetContent().GetNumber()+1 || s.Previous != hashes[i-1]):
			return nil, fmt.Errorf("verify certificate of number %d: %w: it does not follow the one before", s.Number, ErrCertificate)
		}
		hashes = append(hashes, s.Hash())
	}
	if len(run) == 0 {
		return nil, nil
	}
	_, err := VerifyPreblock(c, run[len(run)-1])
	return hashes, err
}

// claimed is the statement that a certificate is about, its signatures not looked at.
func claimed(c *committee.Committee, p *preblockv1.Preblock) (Statement, error) {
	s, err := statementOf(c, p.GetCertificate())
	if err != nil {
		return s, fmt.Errorf("verify certificate of number %d: %w", p.GetCertificate().GetNumber(), err)
	}
	return s, s.about(c, p.GetContent())
}

// about checks that a statement is about a content.
func (s Statement) about(c *committee.Committee, p *preblockv1.Content) error {
	if want := StatementOf(c, p, s.Previous); s != want {
		return fmt.Errorf("verify certificate of number %d: %w: it is over another content", p.GetNumber(), ErrCertificate)
	}
	if s.Number == c.First && s.Previous != (common.Hash{}) {
		return fmt.Errorf("verify certificate of number %d: %w: the committee's first number has no predecessor", s.Number, ErrCertificate)
	}
	return nil
}
