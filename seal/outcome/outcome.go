// Package outcome states the result of opening each sealed transaction of a certified content, and checks what others state.
//
// It guarantees: a content has exactly one right list of outcomes, whoever opened it; Verify accepts that list and no other,
// so it need trust neither the sequencer nor the keyholders. An opening is checked by sealing again and comparing the bytes,
// which nothing but the right opening passes. "Unopenable" is checked by shares of a threshold of keyholders, each with its
// proof. Nobody else has to be asked, and no earlier content is looked at: that a transaction is ordered once follows from
// the rules of contents (package rules), which the certificate's signers have checked.
package outcome

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"

	"golang.org/x/sync/errgroup"
)

// ErrWrong says that outcomes are not those of their content.
var ErrWrong = errors.New("wrong outcome")

// Opened is the outcome of a sealed transaction with its opening.
func Opened(index uint32, o seal.Opening) *preblockv1.Outcome {
	return &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Opened{
		Opened: &preblockv1.Opened{Seed: o.Seed[:], Transaction: o.Tx},
	}}
}

// Unopenable is the outcome of a sealed transaction that proven shares do not open, for a reason: seal.ErrPayload,
// seal.ErrPadding or seal.ErrSeed.
func Unopenable(index uint32, reason error, proven []seal.ProvenShare) *preblockv1.Outcome {
	u := &preblockv1.Unopenable{Reason: reasonOf(reason)}
	for _, p := range proven {
		u.Shares = append(u.Shares, &preblockv1.ProvenShare{
			Authority: uint32(p.Authority), Share: bytes.Clone(p.Point[:]), Proof: bytes.Clone(p.Proof[:]),
		})
	}
	return &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Unopenable{Unopenable: u}}
}

func reasonOf(err error) preblockv1.UnopenableReason {
	switch {
	case errors.Is(err, seal.ErrPayload):
		return preblockv1.UnopenableReason_UNOPENABLE_REASON_PAYLOAD
	case errors.Is(err, seal.ErrPadding):
		return preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING
	case errors.Is(err, seal.ErrSeed):
		return preblockv1.UnopenableReason_UNOPENABLE_REASON_SEED
	}
	return preblockv1.UnopenableReason_UNOPENABLE_REASON_UNSPECIFIED
}

// ReasonText is the reason as APIs show it: payload, padding or seed.
func ReasonText(r preblockv1.UnopenableReason) string {
	switch r {
	case preblockv1.UnopenableReason_UNOPENABLE_REASON_PAYLOAD:
		return seal.ErrPayload.Error()
	case preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING:
		return seal.ErrPadding.Error()
	case preblockv1.UnopenableReason_UNOPENABLE_REASON_SEED:
		return seal.ErrSeed.Error()
	}
	return "unknown"
}

// Same says whether two lists of one content state the same: opened with the same seed and transaction, or unopenable.
// Shares, proofs and reasons are no part of the comparison, as many sets of shares prove the same.
func Same(a, b []*preblockv1.Outcome) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i].GetOpened(), b[i].GetOpened()
		if a[i].GetIndex() != b[i].GetIndex() || (x == nil) != (y == nil) || (a[i].GetUnopenable() == nil) != (b[i].GetUnopenable() == nil) ||
			!bytes.Equal(x.GetSeed(), y.GetSeed()) || !bytes.Equal(x.GetTransaction(), y.GetTransaction()) {
			return false
		}
	}
	return true
}

// Verify checks that a preblock has one outcome for each sealed transaction of its content, in order, and that each is right.
// It uses all processors.
func Verify(c *committee.Committee, p *preblockv1.Preblock) error {
	if err := verify(c, p.GetContent(), p.GetOutcomes()); err != nil {
		return fmt.Errorf("verify outcomes of number %d: %w: %w", p.GetContent().GetNumber(), ErrWrong, err)
	}
	return nil
}

func verify(c *committee.Committee, content *preblockv1.Content, outcomes []*preblockv1.Outcome) error {
	var raws [][]byte
	for i, raw := range content.GetTransactions() {
		if !seal.IsSealed(raw) {
			continue
		}
		if n := len(raws); n >= len(outcomes) || outcomes[n].GetIndex() != uint32(i) {
			return fmt.Errorf("none of sealed transaction %d at its place", i)
		}
		raws = append(raws, raw)
	}
	if more := len(outcomes) - len(raws); more > 0 {
		return fmt.Errorf("%d too many", more)
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, raw := range raws {
		g.Go(func() error {
			if err := verifyOne(c, raw, outcomes[i]); err != nil {
				return fmt.Errorf("sealed transaction %d: %w", outcomes[i].GetIndex(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func verifyOne(c *committee.Committee, raw []byte, o *preblockv1.Outcome) error {
	s, err := seal.Parse(raw)
	if err != nil {
		return err
	}
	switch r := o.GetResult().(type) {
	case *preblockv1.Outcome_Opened:
		if len(r.Opened.GetSeed()) != seal.SeedSize {
			return fmt.Errorf("a seed of %d bytes", len(r.Opened.GetSeed()))
		}
		return c.Ring().VerifyOpening(s, seal.Opening{Seed: seal.Seed(r.Opened.GetSeed()), Tx: r.Opened.GetTransaction()})
	case *preblockv1.Outcome_Unopenable:
		return verifyUnopenable(c, s, r.Unopenable)
	}
	return errors.New("it has none")
}

func verifyUnopenable(c *committee.Committee, s *seal.Sealed, u *preblockv1.Unopenable) error {
	checked, err := c.Ring().Check(s)
	if err != nil {
		return err
	}
	proven := make([]seal.ProvenShare, len(u.GetShares()))
	for i, p := range u.GetShares() {
		if proven[i], err = ReadProven(p.GetAuthority(), p.GetShare(), p.GetProof()); err != nil {
			return err
		}
	}
	reason, err := c.Keys.VerifyUnopenable(checked, proven)
	if err != nil {
		return err
	}
	if reasonOf(reason) != u.GetReason() {
		return fmt.Errorf("reason %s, the shares show %w", ReasonText(u.GetReason()), reason)
	}
	return nil
}

// ReadProven puts an authority's share and its proof together. It checks sizes only.
func ReadProven(authority uint32, share, proof []byte) (p seal.ProvenShare, err error) {
	if authority >= seal.MaxAuthorities || len(share) != seal.PointSize || len(proof) != seal.ShareProofSize {
		return p, fmt.Errorf("%w: authority %d, share of %d bytes, proof of %d", seal.ErrShare, authority, len(share), len(proof))
	}
	p.Authority = uint8(authority)
	copy(p.Point[:], share)
	copy(p.Proof[:], proof)
	return p, nil
}
