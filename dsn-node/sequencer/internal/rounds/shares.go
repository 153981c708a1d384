package rounds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"
	"blindseq/seal/rules"

	"golang.org/x/sync/errgroup"
)

// bareShares is one keyholder's signed shares of everything, without proof.
type bareShares struct {
	signed *keyholderv1.SignedShares
	shares []seal.Share // by place in runningRound.sealed
}

// provenShares is one keyholder's signed shares of what did not open, with proof.
type provenShares struct {
	signed *keyholderv1.SignedShares
	shares []seal.ProvenShare // by place in runningRound.failed
}

// readBare decodes bare shares, which are of every sealed transaction in order.
func (r *runningRound) readBare(by uint8, s *keyholderv1.SignedShares) (*bareShares, error) {
	answers := s.GetAnswers()
	if len(answers) != len(r.sealed) {
		return nil, fmt.Errorf("%d shares of %d sealed transactions", len(answers), len(r.sealed))
	}
	out := &bareShares{signed: s, shares: make([]seal.Share, len(answers))}
	for i, a := range answers {
		if err := about(r.sealed[i], a); err != nil {
			return nil, err
		}
		out.shares[i] = seal.Share{Authority: by, Point: seal.Point(a.GetShare())}
	}
	return out, nil
}

// readProven decodes shares with proof. On an error, position is that of the answer it is about.
func (r *runningRound) readProven(by uint8, s *keyholderv1.SignedShares) (_ *provenShares, position int, err error) {
	answers := s.GetAnswers()
	if len(answers) != len(r.failed) {
		return nil, 0, fmt.Errorf("%d shares with proof of %d that were asked for", len(answers), len(r.failed))
	}
	out := &provenShares{signed: s, shares: make([]seal.ProvenShare, len(answers))}
	for i, a := range answers {
		if err := about(r.sealed[r.failed[i]], a); err != nil {
			return nil, i, err
		}
		if out.shares[i], err = outcome.ReadProven(uint32(by), a.GetShare(), a.GetProof()); err != nil {
			return nil, i, err
		}
	}
	return out, 0, nil
}

// about checks that an answer is a share of a transaction, right or wrong.
func about(tx rules.Transaction, a *keyholderv1.ShareAnswer) error {
	id := tx.Sealed().ID()
	switch {
	case a.GetIndex() != tx.Index || !bytes.Equal(a.GetId(), id[:]):
		return fmt.Errorf("share of %x at index %d instead of %s at %d", a.GetId(), a.GetIndex(), id, tx.Index)
	case len(a.GetShare()) != seal.PointSize:
		return fmt.Errorf("share at index %d has %d bytes", tx.Index, len(a.GetShare()))
	}
	return nil
}

// open opens everything with the bare shares of these, and returns how many transactions did not open.
func (r *runningRound) open(with round.Set) (failed int) {
	began := time.Now()
	r.d.o.Observer.Phase(PhaseShares, began.Sub(r.finalized))
	defer func() { r.d.o.Observer.Phase(PhaseCombine, time.Since(began)) }()
	authorities := with.All()
	checked, shares := make([]*seal.Checked, len(r.sealed)), make([][]seal.Share, len(r.sealed))
	for i, tx := range r.sealed {
		checked[i] = tx.Checked
		for _, a := range authorities {
			shares[i] = append(shares[i], r.bare[a].shares[i])
		}
	}
	openings, errs := r.d.o.Committee.Keys.OpenBatch(checked, shares)
	for i, err := range errs {
		if err != nil {
			r.failed = append(r.failed, i)
			continue
		}
		r.outcomes[i] = outcome.Opened(r.sealed[i].Index, openings[i])
	}
	if r.used = with; len(r.failed) == 0 {
		r.d.trust(with)
	}
	r.proving = time.Now()
	return len(r.failed)
}

// check verifies the proofs of these and returns whose are wrong.
func (r *runningRound) check(ctx context.Context, of round.Set) (wrong round.Set) {
	began := time.Now()
	defer func() { r.d.o.Observer.Phase(PhaseVerify, time.Since(began)) }()
	for _, by := range of.All() {
		if !r.judge(ctx, by, r.proven[by]) {
			wrong = wrong.With(by)
		}
	}
	return wrong
}

// judge verifies a keyholder's proofs. One that proves another share than it gave before is convicted too, though what it
// proves is right and of use. It only reads the round, and works for one that is over.
func (r *runningRound) judge(ctx context.Context, by uint8, p *provenShares) (right bool) {
	if position, err := r.verify(p.shares); err != nil {
		r.accuse(ctx, by, p.signed, position, err)
		return false
	}
	if position, other := r.otherShare(by, p); other {
		r.d.distrust(by)
		e := evidence.TwoShares(r.d.o.Committee, r.bare[by].signed, p.signed, r.sealed[r.failed[position]].Index)
		r.d.faults.wrongShare(ctx, e, errors.New("it proves another share than it gave before"))
		return true
	}
	r.d.trust(round.Set{}.With(by))
	return true
}

// verify returns the first wrong one of a keyholder's proofs.
func (r *runningRound) verify(shares []seal.ProvenShare) (position int, err error) {
	errs := make([]error, len(shares))
	onAllProcessors(len(shares), func(i int) {
		errs[i] = r.d.o.Committee.Keys.VerifyShare(r.sealed[r.failed[i]].Checked, shares[i].Share, &shares[i].Proof)
	})
	for i, err := range errs {
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

// otherShare finds a share that a keyholder has proven and that is not the one it gave before.
func (r *runningRound) otherShare(by uint8, p *provenShares) (position int, found bool) {
	if r.bare[by] == nil {
		return 0, false
	}
	for i, share := range p.shares {
		if r.bare[by].shares[r.failed[i]] != share.Share {
			return i, true
		}
	}
	return 0, false
}

// accuse records a signed share with a wrong proof.
func (r *runningRound) accuse(ctx context.Context, by uint8, s *keyholderv1.SignedShares, position int, why error) {
	r.d.distrust(by)
	sealed := r.content.GetTransactions()[r.sealed[r.failed[position]].Index]
	r.d.faults.wrongShare(ctx, evidence.WrongShare(r.d.o.Committee, s, position, sealed), why)
}

// settle opens with proven shares what did not open with bare ones, or shows that nobody can open it.
func (r *runningRound) settle(from round.Set) error {
	r.d.o.Observer.Phase(PhaseProve, time.Since(r.proving))
	authorities, spoiled, errs := from.All(), make([]bool, len(r.failed)), make([]error, len(r.failed))
	onAllProcessors(len(r.failed), func(i int) {
		tx := r.sealed[r.failed[i]]
		proven, shares := make([]seal.ProvenShare, len(authorities)), make([]seal.Share, len(authorities))
		for j, a := range authorities {
			proven[j] = r.proven[a].shares[i]
			shares[j] = proven[j].Share
		}
		z, err := r.d.o.Committee.Keys.Combine(shares)
		if err != nil {
			errs[i] = err
			return
		}
		opening, reason := tx.Open(z)
		if reason != nil {
			r.outcomes[r.failed[i]] = outcome.Unopenable(tx.Index, reason, proven)
			return
		}
		r.outcomes[r.failed[i]], spoiled[i] = outcome.Opened(tx.Index, opening), true
	})
	if slices.Contains(spoiled, true) {
		r.d.owes(r, r.used.Without(r.state.Proven()))
	}
	return errors.Join(errs...)
}

// onAllProcessors calls do for each i below n.
func onAllProcessors(n int, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error { do(i); return nil })
	}
	_ = g.Wait() // none has an error
}

// indexes are the places in the content of what did not open.
func (r *runningRound) indexes() (out []uint32) {
	for _, i := range r.failed {
		out = append(out, r.sealed[i].Index)
	}
	return out
}

// decision is the certificate and the outcomes.
func (r *runningRound) decision(proven round.Set) (*Decision, error) {
	if len(r.failed) > 0 {
		if err := r.settle(proven); err != nil {
			return nil, err
		}
	}
	if len(r.sealed) > 0 {
		r.d.o.Observer.Phase(PhaseOpen, time.Since(r.began))
	}
	return &Decision{Certificate: r.certificate, Outcomes: r.outcomes}, nil
}
