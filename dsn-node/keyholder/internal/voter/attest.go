package voter

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

// Proposal is a content that the owner of a view proposes for the place after a statement.
type Proposal struct {
	Content   *preblockv1.Content
	Previous  common.Hash
	View      uint64
	Signature []byte                    // of the owner of the view
	Finality  *preblockv1.Certificate   // shows that the number before is final; nil when the keyholder has seen that
	Changes   []*keyholderv1.ViewChange // open a view above 0
	Others    []*preblockv1.Attestation // of the same place and view; they may make a certificate with the one asked for
}

// Answer is what was attested for a number.
type Answer struct {
	Attested *keyholderv1.Attested // nil when nothing was attested
	Refusal  keyholderv1.AttestRefusal
	// Certificate is the one that is held for the number, nil when none was locked or adopted.
	Certificate *preblockv1.Certificate
	Lock        *preblockv1.Attestation // when the attestations of others made a certificate with this one
}

// Attest signs the place of a content after the statement with the hash previous, or says what was signed instead. A content
// that breaks a rule is refused with rules.ErrContent, one ahead of the clock with rules.ErrClock, and nothing is signed.
func (h *Voter) Attest(ctx context.Context, p Proposal) (Answer, error) {
	a, err := h.attest(ctx, p)
	if err != nil {
		return Answer{}, fmt.Errorf("attest number %d: %w", p.Content.GetNumber(), err)
	}
	if len(p.Others) > 0 && a.Refusal == vote.Granted {
		a.Lock = h.lockWith(ctx, a.Attested, p)
	}
	return a, nil
}

// lockWith locks what was attested, when the attestations of others make a certificate with its own; nil when they do not. What is
// wrong with them is the sequencer's matter: its attestation is given, and it may be shown a certificate later.
func (h *Voter) lockWith(ctx context.Context, own *keyholderv1.Attested, p Proposal) *preblockv1.Attestation {
	all := append(slices.Clone(p.Others), own.GetAttestation())
	slices.SortFunc(all, func(a, b *preblockv1.Attestation) int { return cmp.Compare(a.GetAuthority(), b.GetAuthority()) })
	s := attest.StatementOf(h.o.Committee, p.Content, p.Previous)
	lock, err := h.Lock(ctx, s.Certificate(p.View, all), nil)
	if err != nil {
		h.o.Log.WarnContext(ctx, "attestations of others make no certificate", "number", s.Number, "error", err)
		return nil
	}
	return lock
}

func (h *Voter) attest(ctx context.Context, p Proposal) (Answer, error) {
	if err := content.Check(p.Content); err != nil {
		return Answer{}, err
	}
	s := attest.StatementOf(h.o.Committee, p.Content, p.Previous)
	if err := attest.VerifyProposal(h.o.Committee, s, p.View, p.Signature); err != nil {
		return Answer{}, err
	}
	if err := h.open(s, p); err != nil {
		return Answer{}, err
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	switch at := h.position(); {
	case at.AttestAnew(s, p.View):
		a, err := h.anew(ctx, s, p)
		return a, h.failing(err)
	case s.Number >= h.o.Committee.First && s.Number <= at.Number():
		return h.again(s, p.View)
	}
	refusal := h.position().Attest(s, p.View)
	if refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL && p.Finality != nil {
		if err := h.shown(p.Finality); err != nil {
			return Answer{}, err
		}
		refusal = h.position().Attest(s, p.View)
	}
	if refusal != vote.Granted {
		a := Answer{Refusal: refusal}
		if h.last != nil {
			a.Attested = h.last.attested
		}
		return a, nil
	}
	return h.first(ctx, s, p)
}

// first attests a content for the next number. The caller holds mu.
func (h *Voter) first(ctx context.Context, s attest.Statement, p Proposal) (Answer, error) {
	err := rules.CheckClock(p.Content.GetTimestamp().GetSeconds(), h.o.Now())
	if err == nil {
		err = h.check(p.Content)
	}
	if err != nil {
		h.o.Log.WarnContext(ctx, "content breaks a rule and is not attested", "number", s.Number, "error", err)
		return Answer{}, err
	}
	signed, err := h.sign(s, p)
	if err != nil {
		return Answer{}, err
	}
	h.o.Log.DebugContext(ctx, "attested", "number", s.Number, "content", common.Hash(signed.GetContentHash()))
	return Answer{Attested: signed}, nil
}

// check checks the next number's content by the rules. The caller holds mu.
func (h *Voter) check(c *preblockv1.Content) error {
	if ordered.HasSealed(c) {
		began := time.Now()
		defer func() { h.took(StepCheck, time.Since(began)) }()
	}
	return h.order.Check(c)
}

// sign signs and keeps a statement. The caller holds mu.
func (h *Voter) sign(s attest.Statement, p Proposal) (*keyholderv1.Attested, error) {
	signed, err := s.Sign(h.o.Key, h.o.Share.Authority(), p.View)
	if err != nil {
		return nil, err
	}
	left, err := h.leaves(s.Number, p.View)
	if err != nil {
		return nil, err
	}
	// gofail: var attestationSigned struct{}
	err = h.next(&held{Held: vote.Held{Signed: s, SignedView: p.View}, attested: signed, signed: p.Content, left: left})
	// gofail: var attestationStored struct{}
	return signed, err
}

// next keeps what is held for the next number. The caller holds mu.
func (h *Voter) next(r *held) error {
	if err := h.store.append(r.Follows().Number, r); err != nil {
		return h.failing(err)
	}
	h.holdsNow(r)
	if err := h.order.Add(r.content()); err != nil {
		h.fail(err) // it was checked: what is known here does not fit the log
		return err
	}
	return nil
}

// again answers about a number that something is held for. The caller holds mu.
func (h *Voter) again(s attest.Statement, view uint64) (Answer, error) {
	r, err := h.holds(s.Number)
	if err != nil {
		return Answer{}, h.failing(err)
	}
	shown := r.Held
	shown.Final = len(r.cert.GetLocks()) > 0
	return Answer{Attested: r.attested, Refusal: shown.Again(s, view, h.position().View(s.Number)), Certificate: r.cert}, nil
}

// shown takes note that what is held for the last number is final. The caller holds mu.
func (h *Voter) shown(finality *preblockv1.Certificate) error {
	if err := h.ours(finality); err != nil {
		return err
	}
	s, err := attest.VerifyFinal(h.o.Committee, finality)
	if err != nil {
		return fmt.Errorf("finality of the number before: %w", err)
	}
	if s != h.last.Follows() {
		return fmt.Errorf("finality of the number before: %w", vote.ErrOtherOrder)
	}
	h.last = h.last.finally(finality)
	return nil
}
