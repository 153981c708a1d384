package rounds

import (
	"context"
	"fmt"
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"
)

// withoutThem is how long an opening waits for keyholders whose shares were right, before it uses one whose were wrong before.
const withoutThem = 250 * time.Millisecond

// runningRound is the round of one number. Its goroutine is the one of Decide; followers see what Driver.mu guards.
type runningRound struct {
	d         *Driver
	content   *preblockv1.Content
	statement attest.Statement
	sealed    []rules.Transaction
	began     time.Time
	events    chan any        // attestation, shown or shares, from followers
	live      context.Context // ends with the round

	// guarded by Driver.mu
	state       round.State
	certificate *preblockv1.Certificate
	brought     round.Set // those whose attestation came
	answered    round.Set // those whose bare shares came and were not found malformed
	toProve     []uint32  // indexes to prove the shares of, once some did not open
	proved      round.Set // those whose shares with proof came and were not found wrong
	wrong       map[uint8]int
	over        bool

	// of Decide's goroutine
	leftOut      round.Set
	certified    time.Time // zero before
	proving      time.Time // when the opening ended
	attestations [256]*preblockv1.Attestation
	bare         [256]*bareShares
	proven       [256]*provenShares
	used         round.Set // those whose bare shares were combined
	failed       []int     // places in sealed of what did not open with bare shares
	outcomes     []*preblockv1.Outcome
}

// attestation, shown and shares are what followers bring; waited comes from a timer.
type (
	attestation struct {
		by     uint8
		signed *preblockv1.Attestation
	}
	shares struct {
		by     uint8
		proven bool
		signed *keyholderv1.SignedShares
	}
	shown struct {
		certificate *preblockv1.Certificate
	}
	waited struct{}
)

func newRound(live context.Context, d *Driver, c *preblockv1.Content, s attest.Statement, sealed []rules.Transaction) *runningRound {
	leftOut := d.distrusted()
	return &runningRound{
		d: d, content: c, statement: s, sealed: sealed, began: time.Now(), live: live,
		events: make(chan any, 4*d.o.Committee.Size()+1), leftOut: leftOut,
		state:    round.New(d.o.Committee.Quorum(), d.o.Committee.Keys.Threshold(), len(sealed) > 0, leftOut),
		outcomes: make([]*preblockv1.Outcome, len(sealed)), wrong: map[uint8]int{},
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
			r.certify(ctx, e.certificate)
		}
		return r.step(ctx, round.Shown{})
	case shares:
		if e.proven {
			return r.takeProven(ctx, e)
		}
		return r.takeBare(ctx, e)
	case waited:
		return r.step(ctx, round.Waited{})
	}
	return nil, fmt.Errorf("%w: %T", round.ErrUnexpected, e)
}

func (r *runningRound) takeBare(ctx context.Context, s shares) (*Decision, error) {
	read, err := r.readBare(s.by, s.signed)
	if err != nil {
		r.d.distrust(s.by)
		r.d.faults.name(ctx, s.by, kindInvalid, r.statement.Number, err.Error())
		r.reject(round.Set{}.With(s.by))
		return nil, nil
	}
	if r.bare[s.by] == nil {
		r.bare[s.by] = read
	}
	return r.step(ctx, round.Answered{By: s.by})
}

func (r *runningRound) takeProven(ctx context.Context, s shares) (*Decision, error) {
	read, position, err := r.readProven(s.by, s.signed)
	if err != nil {
		r.accuse(ctx, s.by, s.signed, position, err)
		r.reject(round.Set{}.With(s.by))
		return nil, nil
	}
	r.proven[s.by] = read
	return r.step(ctx, round.Proven{By: s.by})
}

// reject has those asked again whose answer is of no use.
func (r *runningRound) reject(wrong round.Set) {
	r.d.change(func() {
		r.answered, r.proved = r.answered.Without(wrong), r.proved.Without(wrong)
		for _, a := range wrong.All() {
			r.wrong[a]++
		}
	})
}

// step gives the state machine an event and carries out the effects.
func (r *runningRound) step(ctx context.Context, e round.Event) (*Decision, error) {
	state, effects, err := round.Next(r.state, e) // only this goroutine writes it
	if err != nil {
		return nil, err
	}
	r.d.change(func() { r.state = state })
	for _, effect := range effects {
		decision, err := r.carryOut(ctx, effect)
		if decision != nil || err != nil {
			return decision, err
		}
	}
	return nil, nil
}

func (r *runningRound) carryOut(ctx context.Context, e round.Effect) (*Decision, error) {
	switch e := e.(type) {
	case round.Certify:
		var list []*preblockv1.Attestation
		for _, a := range e.By.All() {
			list = append(list, r.attestations[a])
		}
		r.certify(ctx, r.statement.Certificate(View, list))
	case round.Open:
		return r.step(ctx, round.Opened{Failed: r.open(e.With)})
	case round.Prove:
		r.d.o.Log.InfoContext(ctx, "sealed transactions did not open; shares with proof are asked for", "number", r.statement.Number,
			"failed", len(r.failed), "sealed", len(r.sealed))
		r.d.change(func() { r.toProve = r.indexes() })
	case round.Check:
		wrong := r.check(ctx, e.Of)
		r.reject(wrong)
		return r.step(ctx, round.Checked{Wrong: wrong})
	case round.Decide:
		return r.decision(e.Proven)
	}
	return nil, nil
}

// certify shows the certificate to the followers, which ask for shares from now on.
func (r *runningRound) certify(ctx context.Context, c *preblockv1.Certificate) {
	r.certified = time.Now()
	r.d.o.Observer.Phase(PhaseAttest, r.certified.Sub(r.began))
	r.d.change(func() { r.certificate = c })
	if r.leftOut != (round.Set{}) && len(r.sealed) > 0 {
		timer := time.AfterFunc(withoutThem, func() { r.bring(ctx, waited{}) })
		context.AfterFunc(r.live, func() { timer.Stop() })
	}
}
