package rounds

import (
	"context"
	"fmt"
	"time"

	"blindseq/dsn-node/sequencer/round"
	"blindseq/kit/telemetry"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"
)

// withoutThem is how long an opening waits for keyholders whose shares were right, before it uses one whose were wrong before.
const withoutThem = 250 * time.Millisecond

// How long an opening waits for those whose shares are asked for first, before all others are asked too: what an idle network
// needs many times over, and some time for each share.
const (
	patience      = 20 * time.Millisecond
	patienceShare = time.Millisecond
)

// runningRound is the round of one number. Its goroutine is the one of Decide; followers see what Driver.mu guards.
type runningRound struct {
	d         *Driver
	content   *preblockv1.Content
	statement attest.Statement
	view      view
	proposal  []byte                  // the sequencer's signature
	previous  *preblockv1.Certificate // shows that the number before is final; nil for the committee's first
	sealed    []rules.Transaction
	began     time.Time
	events    chan any        // attestation, lock, shown or shares, from followers
	live      context.Context // ends with the round
	trace     telemetry.Trace // that its content was submitted in

	// guarded by Driver.mu
	state       round.State
	certificate *preblockv1.Certificate // with locks once final
	final       bool
	asked       round.Set // those that answered whether they attest
	holds       round.Set // those that attested, locked or adopted the content
	abstains    round.Set // those that lost their votes, or left the view, and sign nothing here
	locked      round.Set // those whose lock came
	askFirst    round.Set // those whose shares are asked for; empty for everybody's
	answered    round.Set // those whose bare shares came and were not found malformed
	toProve     []uint32  // indexes to prove the shares of, once some did not open
	proved      round.Set // those whose shares with proof came and were not found wrong
	wrong       map[uint8]int
	over        bool

	attestations [256]*preblockv1.Attestation // Decide's goroutine alone writes them

	// of Decide's goroutine
	leftOut   round.Set
	certified time.Time // zero before
	finalized time.Time // zero before
	proving   time.Time // when the opening ended
	locks     [256]*preblockv1.Attestation
	bare      [256]*bareShares
	proven    [256]*provenShares
	used      round.Set // those whose bare shares were combined
	failed    []int     // places in sealed of what did not open with bare shares
	outcomes  []*preblockv1.Outcome
}

// attestation, lock, shown, shares and left are what followers bring; waited comes from a timer.
type (
	attestation struct {
		by     uint8
		signed *preblockv1.Attestation
		lock   *preblockv1.Attestation // that came with it; nil for none
	}
	lock struct {
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
		final       bool // it has the locks of a quorum
	}
	waited struct{}
	left   struct{} // a keyholder went to another view than was known
)

// newRound is the round of a content in a view that follows what is final before it.
func newRound(live context.Context, d *Driver, c *preblockv1.Content, previous final, in view) (*runningRound, error) {
	sealed, err := d.o.Sealed(c)
	if err != nil {
		return nil, err
	}
	s := attest.StatementOf(d.o.Committee, c, previous.hash())
	proposal, err := s.Propose(d.o.Key, in.number)
	if err != nil {
		return nil, err
	}
	leftOut := d.distrusted()
	return &runningRound{
		d: d, content: c, statement: s, view: in, proposal: proposal, previous: previous.certificate, sealed: sealed, began: time.Now(), live: live, trace: telemetry.TraceOf(live),
		events: make(chan any, 6*d.o.Committee.Size()+1), leftOut: leftOut,
		state:    round.New(d.o.Committee.Quorum(), d.o.Committee.Keys.Threshold(), len(sealed) > 0, leftOut),
		outcomes: make([]*preblockv1.Outcome, len(sealed)), wrong: map[uint8]int{},
	}, nil
}

// traced puts the round's trace into a context; there may be no round.
func (r *runningRound) traced(ctx context.Context) context.Context {
	if r == nil {
		return ctx
	}
	return r.trace.Continue(ctx)
}

// wants is what the round wants of a keyholder now. The caller holds Driver.mu. Whoever does not hold what is final is given
// it, also when the round is over; nobody is asked to lock what is final.
func (r *runningRound) wants(by uint8) wanted {
	switch {
	case r == nil:
		return nothingWanted
	case r.final && !r.holds.Has(by):
		return adoptionWanted
	case r.over:
		return nothingWanted
	case !r.asked.Has(by):
		return attestationWanted
	case !r.final && (r.certificate == nil || r.locked.Or(r.abstains).Has(by)):
		return nothingWanted
	case !r.final:
		return lockWanted
	case len(r.toProve) > 0 && !r.proved.Has(by):
		return proofsWanted
	case len(r.sealed) > 0 && len(r.toProve) == 0 && !r.answered.Has(by) && (r.askFirst == (round.Set{}) || r.askFirst.Has(by)):
		return sharesWanted
	}
	return nothingWanted
}

// bring hands a follower's result to the round; one that is over takes nothing.
func (r *runningRound) bring(ctx context.Context, e any) {
	select {
	case r.events <- e:
	case <-r.live.Done():
	case <-ctx.Done():
	}
}

// run takes events until the round is decided, or a quorum has gone to a higher view before its content was final.
func (r *runningRound) run(ctx context.Context) (*Decision, *view, error) {
	for {
		if r.state.Phase() < round.Opening {
			if next := r.next(); next != nil {
				return nil, next, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case e := <-r.events:
			decision, err := r.take(ctx, e)
			if decision != nil || err != nil {
				return decision, nil, err
			}
		}
	}
}

func (r *runningRound) take(ctx context.Context, e any) (*Decision, error) {
	switch e := e.(type) {
	case attestation:
		return r.takeAttestation(ctx, e)
	case lock:
		return r.takeLock(ctx, e)
	case shown:
		r.adopt(ctx, e)
		return r.step(ctx, round.Shown{Final: e.final})
	case shares:
		if e.proven {
			return r.takeProven(ctx, e)
		}
		return r.takeBare(ctx, e)
	case waited:
		return r.step(ctx, round.Waited{})
	case left:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %T", round.ErrUnexpected, e)
}

// takeAttestation takes the lock that came with it too, if there is a certificate now. Else the keyholder is asked for it later.
func (r *runningRound) takeAttestation(ctx context.Context, e attestation) (*Decision, error) {
	r.d.note(func() {
		if r.attestations[e.by] == nil {
			r.attestations[e.by] = e.signed
		}
		if e.lock != nil {
			r.locked = r.locked.With(e.by) // before the certificate shows, so that it is not asked for it again
		}
	})
	decision, err := r.step(ctx, round.Attested{By: e.by})
	switch {
	case e.lock == nil || decision != nil || err != nil:
		return decision, err
	case r.state.Phase() == round.Attesting:
		r.d.change(func() { r.locked = r.locked.Without(round.Set{}.With(e.by)) })
		return nil, nil
	}
	return r.takeLock(ctx, lock{e.by, e.lock})
}

func (r *runningRound) takeLock(ctx context.Context, e lock) (*Decision, error) {
	if r.locks[e.by] == nil {
		r.locks[e.by] = e.signed
	}
	return r.step(ctx, round.Locked{By: e.by})
}

func (r *runningRound) takeBare(ctx context.Context, s shares) (*Decision, error) {
	read, err := r.readBare(s.by, s.signed)
	if err != nil {
		r.d.distrust(s.by)
		r.d.faults.name(ctx, s.by, kindInvalid, r.statement.Number, err.Error())
		r.reject(round.Set{}.With(s.by))
		r.askOthers(round.Set{}.With(s.by))
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
	set := r.d.note
	if e, ok := e.(round.Attested); ok && state.Attested().With(e.By).Len() == state.Quorum-1 {
		set = r.d.change // a keyholder that is far away is asked now
	}
	set(func() { r.state = state })
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
		r.certify(r.statement.Certificate(r.view.number, signatures(r.attestations[:], e.By)))
	case round.Finalize:
		r.finalize(ctx, attest.Final(r.certificate, signatures(r.locks[:], e.By)))
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

// signatures are those of some authorities, ascending.
func signatures(all []*preblockv1.Attestation, by round.Set) (out []*preblockv1.Attestation) {
	for _, a := range by.All() {
		out = append(out, all[a])
	}
	return out
}

// adopt takes a certificate that was made before a crash.
func (r *runningRound) adopt(ctx context.Context, s shown) {
	switch phase := r.state.Phase(); {
	case s.final && phase < round.Opening:
		r.finalize(ctx, s.certificate)
	case !s.final && phase < round.Locking:
		r.certify(s.certificate)
	}
}

// certify shows the certificate to the followers, which ask for locks from now on.
func (r *runningRound) certify(c *preblockv1.Certificate) {
	r.certified = time.Now()
	r.d.o.Observer.Phase(PhaseAttest, r.certified.Sub(r.began))
	// gofail: var certificateMade struct{}
	r.d.change(func() { r.certificate = c })
}

// finalize shows the certificate with locks to the followers, which ask for shares from now on: those of the keyholders that locked it
// first, and everybody's when one of these fails or lets the opening wait.
func (r *runningRound) finalize(ctx context.Context, c *preblockv1.Certificate) {
	r.finalized = time.Now()
	if !r.certified.IsZero() {
		r.d.o.Observer.Phase(PhaseLock, r.finalized.Sub(r.certified))
	}
	// gofail: var contentFinal struct{}
	first := r.d.prompt(r.state.Locked().Without(r.leftOut), r.state.Threshold)
	r.d.change(func() { r.certificate, r.final, r.askFirst = c, true, first })
	if len(r.sealed) == 0 {
		return
	}
	r.tellFinal(c)
	if first != (round.Set{}) {
		r.after(patience+time.Duration(len(r.sealed))*patienceShare, func() { r.askOthers(first) })
	}
	if r.leftOut != (round.Set{}) {
		r.after(withoutThem, func() { r.bring(ctx, waited{}) })
	}
}

// after does something later, unless the round is over by then.
func (r *runningRound) after(wait time.Duration, do func()) {
	timer := time.AfterFunc(wait, do)
	context.AfterFunc(r.live, func() { timer.Stop() })
}

// askOthers has everybody's shares asked for, because these have not given what an opening can use.
func (r *runningRound) askOthers(these round.Set) {
	r.d.change(func() { r.askFirst, r.d.late = round.Set{}, r.d.late.Or(these.Without(r.answered)) })
}
