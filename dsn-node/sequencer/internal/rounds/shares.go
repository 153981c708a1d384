package rounds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"golang.org/x/sync/errgroup"
)

// answer is one keyholder's signed answers and, once read, its shares of plan.Open.
type answer struct {
	signed *keyholderv1.SignedShares
	shares []*te.DecryptionShare
}

// read compares the answers with the plan, which every honest keyholder arrives at too. On an error, position is that of
// the answer it is about.
func (r *runningRound) read(by uint8, a *answer) (position int, err error) {
	answers := a.signed.GetAnswers()
	if len(answers) != len(r.plan.Bundles) {
		return 0, fmt.Errorf("%d answers for %d bundles", len(answers), len(r.plan.Bundles))
	}
	var with []int // answers that have a share, in the order of plan.Open
	for i, b := range r.plan.Bundles {
		got := answers[i]
		if got.GetIndex() != b.Index || !bytes.Equal(got.GetBundleHash(), b.Hash[:]) {
			return i, fmt.Errorf("answer %d is not about bundle %d", i, b.Index)
		}
		if want := b.Refused.GetUndecryptable().GetReason(); got.GetRefusal() != want {
			return i, fmt.Errorf("bundle %d: %s instead of %s", b.Index, got.GetRefusal(), want)
		}
		if b.Verified != nil {
			with = append(with, i)
		}
	}
	shares, errs := make([]*te.DecryptionShare, len(with)), make([]error, len(with))
	onAllProcessors(len(with), func(i int) { shares[i], errs[i] = evidence.Share(by, answers[with[i]].GetShare()) })
	for i, err := range errs {
		if err != nil {
			return with[i], fmt.Errorf("bundle %d: %w", r.plan.Bundles[with[i]].Index, err)
		}
	}
	a.shares = shares
	return 0, nil
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

// check checks answers and returns whose are wrong.
func (r *runningRound) check(ctx context.Context, of round.Set) (wrong round.Set) {
	began := time.Now()
	r.d.o.Observer.Phase(PhaseShares, began.Sub(r.prepared))
	defer func() {
		r.prepared = time.Now() // for answers of others, if these are not enough
		r.d.o.Observer.Phase(PhaseVerify, r.prepared.Sub(began))
	}()
	var sets []te.ShareSet
	for _, by := range of.All() {
		a := r.answers[by]
		position, err := r.read(by, a)
		if err != nil {
			wrong = wrong.With(by)
			r.accuse(ctx, by, position, err)
			continue
		}
		sets = append(sets, te.ShareSet{Authority: by, Shares: a.shares})
	}
	err := r.d.o.Committee.Keys.VerifyShares(r.plan.Open, sets)
	if err == nil {
		return wrong
	}
	var bad *te.BadShares
	if !errors.As(err, &bad) {
		return of // not seen: the check itself failed for all of them
	}
	for _, fault := range bad.Faults {
		wrong = wrong.With(fault.Authority)
		at := 0
		if len(fault.Indexes) > 0 {
			at = r.position(fault.Indexes[0])
		}
		r.accuse(ctx, fault.Authority, at, &te.BadShares{Faults: []te.ShareFault{fault}})
	}
	return wrong
}

// position is the place in plan.Bundles of a member of plan.Open.
func (r *runningRound) position(open int) int {
	for i, b := range r.plan.Bundles {
		if b.Verified == r.plan.Open[open] {
			return i
		}
	}
	return 0
}

func (r *runningRound) accuse(ctx context.Context, by uint8, position int, why error) {
	e := evidence.WrongShare(r.d.o.Committee, r.answers[by].signed, position, r.content.GetTransactions()[r.plan.Bundles[position].Index])
	r.d.faults.wrongShare(ctx, e, why)
}

// open puts the shares of a threshold of keyholders together and decrypts.
func (r *runningRound) open(from round.Set) ([]*preblockv1.Outcome, error) {
	began := time.Now()
	openings, err := r.combine(from)
	if err != nil {
		return nil, err
	}
	combined := time.Now()
	r.d.o.Observer.Phase(PhaseCombine, combined.Sub(began))
	defer func() { r.d.o.Observer.Phase(PhaseDecrypt, time.Since(combined)) }()
	out := make([]*preblockv1.Outcome, len(r.plan.Bundles))
	for i, b := range r.plan.Bundles {
		if b.Verified == nil {
			out[i] = b.Refused
			continue
		}
		out[i] = outcome.Open(b.Index, b.Payload, openings[0])
		openings = openings[1:]
	}
	return out, nil
}

func (r *runningRound) combine(from round.Set) ([]*te.Opening, error) {
	keys := r.d.o.Committee.Keys
	openings := make([]*te.Opening, len(r.plan.Open))
	authorities := from.All()
	errs := make([]error, len(openings))
	onAllProcessors(len(openings), func(i int) {
		shares := make([]*te.DecryptionShare, 0, keys.Threshold())
		for _, a := range authorities[:keys.Threshold()] {
			shares = append(shares, r.answers[a].shares[i])
		}
		openings[i], errs[i] = keys.Combine(shares)
	})
	return openings, errors.Join(errs...)
}
