package rounds

import (
	"context"
	"fmt"
	"sync"
	"time"

	"blindseq/dsn-node/internal/opening"
	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
)

// runningRound is the round of one number. Its goroutine is the one of Decide; followers see what Driver.mu guards.
type runningRound struct {
	d         *Driver
	content   *preblockv1.Content
	statement attest.Statement
	bundles   bool
	began     time.Time
	events    chan any        // attestation or shares, from followers
	live      context.Context // ends with the round

	// guarded by Driver.mu
	state       round.State
	certificate *preblockv1.Certificate
	brought     round.Set // those whose attestation came
	answered    round.Set // those whose answer came and was not found wrong
	wrong       map[uint8]int
	over        bool

	// of Decide's goroutine
	planning     sync.WaitGroup
	prepared     time.Time // when there were certificate and plan; zero before; then, when the last check ended
	attestations [256]*preblockv1.Attestation
	answers      [256]*answer
	plan         *opening.Plan
}

// attestation, shown and shares are what followers bring.
type (
	attestation struct {
		by     uint8
		signed *preblockv1.Attestation
	}
	shares struct {
		by     uint8
		signed *keyholderv1.SignedShares
	}
	shown struct {
		certificate *preblockv1.Certificate
	}
	planned struct {
		plan *opening.Plan
		err  error
	}
)

func newRound(live context.Context, d *Driver, c *preblockv1.Content, s attest.Statement) *runningRound {
	bundles := opening.HasBundles(c)
	return &runningRound{
		d: d, content: c, statement: s, bundles: bundles, began: time.Now(), live: live,
		events: make(chan any, 3*d.o.Committee.Size()+1),
		state:  round.New(d.o.Committee.Quorum(), d.o.Committee.Keys.Threshold(), bundles), wrong: map[uint8]int{},
	}
}

// bring hands a follower's result to the round; one that is over takes nothing.
func (r *runningRound) bring(ctx context.Context, e any) {
	select {
	case r.events <- e:
	case <-r.live.Done():
	case <-ctx.Done():
	}
}

// run takes events until the round is decided.
func (r *runningRound) run(ctx context.Context) (*Decision, error) {
	if r.bundles {
		r.planning.Go(func() {
			plan, err := r.d.o.Planner.Plan(ctx, r.content)
			r.bring(ctx, planned{plan, err})
		})
	}
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case e := <-r.events:
			decision, err := r.take(ctx, e)
			if decision != nil || err != nil {
				return decision, err
			}
		}
	}
}

func (r *runningRound) take(ctx context.Context, e any) (*Decision, error) {
	switch e := e.(type) {
	case attestation:
		if r.attestations[e.by] == nil {
			r.attestations[e.by] = e.signed
		}
		return r.step(ctx, round.Attested{By: e.by})
	case shown:
		if r.state.Phase() == round.Attesting {
			r.d.change(func() { r.certificate = e.certificate })
		}
		return r.step(ctx, round.Shown{})
	case planned:
		if e.err != nil {
			return nil, e.err
		}
		r.plan = e.plan
		return r.step(ctx, round.Planned{Open: len(e.plan.Open)})
	case shares:
		r.answers[e.by] = &answer{signed: e.signed}
		return r.step(ctx, round.Answered{By: e.by})
	}
	return nil, fmt.Errorf("%w: %T", round.ErrUnexpected, e)
}

// step gives the state machine an event and carries out the effects.
func (r *runningRound) step(ctx context.Context, e round.Event) (*Decision, error) {
	state, effects, err := round.Next(r.state, e) // only this goroutine writes it
	if err != nil {
		return nil, err
	}
	r.d.change(func() { r.state = state })
	if r.prepared.IsZero() && r.plan != nil && state.Phase() == round.Opening {
		r.prepared = time.Now()
	}
	for _, effect := range effects {
		switch effect := effect.(type) {
		case round.Certify:
			r.certify(effect.By)
		case round.Check:
			wrong := r.check(ctx, effect.Of)
			r.d.change(func() {
				r.answered = r.answered.Without(wrong)
				for _, a := range wrong.All() {
					r.wrong[a]++
				}
			})
			return r.step(ctx, round.Checked{Wrong: wrong})
		case round.Decide:
			return r.decide(effect.From)
		}
	}
	return nil, nil
}

func (r *runningRound) certify(by round.Set) {
	r.d.o.Observer.Phase(PhaseAttest, time.Since(r.began))
	var list []*preblockv1.Attestation
	for _, a := range by.All() {
		list = append(list, r.attestations[a])
	}
	r.d.change(func() { r.certificate = r.statement.Certificate(list) })
}

func (r *runningRound) decide(from round.Set) (*Decision, error) {
	d := &Decision{Certificate: r.certificate}
	if r.bundles {
		var err error
		if d.Outcomes, err = r.open(from); err != nil {
			return nil, err
		}
		r.d.o.Observer.Phase(PhaseOpen, time.Since(r.began))
	}
	return d, nil
}
