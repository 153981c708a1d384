package sim

import (
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// The committee: 4 keyholders, 3 make a certificate, 2 can open. The last one gives wrong shares, and wrong proofs.
const (
	members   = 4
	quorum    = 3
	threshold = 2
	liar      = members - 1
)

// withoutThem is how long an opening waits for others than those whose shares were wrong.
const withoutThem = 60 * time.Millisecond

// openRound is the round of one number, by round.State.
type openRound struct {
	s         *sequencer
	proposal  *preblockv1.Preblock
	statement attest.Statement
	state     round.State
	sealed    bool
	cert      *preblockv1.Certificate
	brought   round.Set
	answered  round.Set
	used      round.Set // those whose shares were combined
	proves    bool      // something did not open
	proved    round.Set
	early     round.Set // those asked for shares before there was a certificate; only a defect asks
	over      bool
}

func (s *sequencer) begin(p *preblockv1.Preblock) {
	number := p.GetContent().GetNumber()
	var previous common.Hash
	if number > 1 {
		before, err := s.statement(number - 1)
		if err != nil {
			s.w.alarm(s.process, err)
			return
		}
		previous = before.Hash()
	}
	sealed := len(sealedIn(p.GetContent())) > 0
	r := &openRound{
		s: s, proposal: p, statement: statementOf(p, previous), state: round.New(quorum, threshold, sealed, s.wrong), sealed: sealed,
	}
	s.round = r
	for _, f := range s.followers {
		f.pump()
	}
}

func (r *openRound) event(e round.Event) {
	if r.over || r != r.s.round {
		return
	}
	state, effects, err := round.Next(r.state, e)
	if err != nil {
		r.s.w.alarm(r.s.process, err)
		return
	}
	r.state = state
	for _, effect := range effects {
		switch effect := effect.(type) {
		case round.Certify:
			r.certify(effect.By)
		case round.Open:
			r.open(effect.With)
		case round.Prove:
			r.proves = true
			r.pump()
		case round.Check:
			wrong := effect.Of.And(round.Set{}.With(liar))
			r.proved = r.proved.Without(wrong)
			r.s.wrong = r.s.wrong.Without(effect.Of).Or(wrong)
			r.event(round.Checked{Wrong: wrong})
		case round.Decide:
			r.decide()
		}
	}
}

// open opens with bare shares, which the liar's spoil.
func (r *openRound) open(with round.Set) {
	if r.used = with; with.Has(liar) {
		r.event(round.Opened{Failed: 1})
		return
	}
	r.s.wrong = r.s.wrong.Without(with)
	r.event(round.Opened{})
}

// pump lets the followers look what there is to do.
func (r *openRound) pump() {
	for _, f := range r.s.followers {
		f.pump()
	}
}

func (r *openRound) certificate(by round.Set) *preblockv1.Certificate {
	cert := &preblockv1.Certificate{
		Number: r.statement.Number, PreviousPayloadHash: r.statement.Previous[:], ContentHash: r.statement.Content[:],
	}
	for _, a := range by.All() {
		cert.Attestations = append(cert.Attestations, &preblockv1.Attestation{Authority: uint32(a)})
	}
	return cert
}

func (r *openRound) certify(by round.Set) {
	r.cert = r.certificate(by)
	if !r.sealed {
		return
	}
	r.s.later(withoutThem, func() { r.event(round.Waited{}) })
	r.pump()
}

func (r *openRound) decide() {
	r.over = true
	if r.proves { // who did not prove its share may have spoiled the opening
		r.s.wrong = r.s.wrong.Or(r.used.Without(r.state.Proven()))
	}
	p := r.proposal
	r.s.decided(&preblockv1.Preblock{
		Content: p.GetContent(), ContentHash: p.GetContentHash(), RequestId: p.GetRequestId(), Attempt: p.GetAttempt(), Certificate: r.cert,
	})
}

// follower takes one keyholder through the numbers.
type follower struct {
	s    *sequencer
	by   uint8
	next uint64 // 0 while not known
	busy bool
}

// pump takes the keyholder's next step.
func (f *follower) pump() {
	r := f.s.round
	if f.busy || r == nil {
		return
	}
	switch {
	case f.next == 0:
		f.greet()
	case !r.over && !r.brought.Has(f.by):
		f.next = min(f.next, r.statement.Number) // asks again for one it attested before this process began
		f.attest(r)
	case f.next <= r.statement.Number:
		f.attest(r)
	case !r.over && r.proves && !r.proved.Has(f.by):
		f.release(r, true)
	case !r.over && r.sealed && r.cert != nil && !r.proves && !r.answered.Has(f.by):
		f.release(r, false)
	case !r.over && r.sealed && r.cert == nil && r.s.w.bug(SharesBeforeTheCertificate) && !r.early.Has(f.by):
		r.early = r.early.With(f.by)
		f.release(r, false)
	}
}

func (f *follower) keyholder() *keyholder { return f.s.w.keyholders[f.by] }

// done takes the next step, after a pause when there was an error.
func (f *follower) done(err error) {
	f.busy = false
	if err == nil {
		f.pump()
		return
	}
	f.s.later(30*time.Millisecond, f.pump)
}

func (f *follower) greet() {
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, 200*time.Millisecond, func(answer func(uint64, error)) { answer(k.attested.last(), nil) },
		func(last uint64, err error) {
			if err == nil {
				f.next = last + 1
			}
			f.done(err)
		})
}

func (f *follower) attest(r *openRound) {
	want, c := r.statement, r.proposal.GetContent()
	if f.next < want.Number {
		p, ok := f.s.decisions.get(f.next)
		var err error
		if want, err = f.s.statement(f.next); err != nil || !ok {
			return
		}
		c = p.GetContent()
	}
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, 200*time.Millisecond, func(answer func(attestation, error)) { k.attest(want, c, answer) },
		func(a attestation, err error) {
			if err == nil {
				f.attested(r, want, a)
			}
			f.done(err)
		})
}

func (f *follower) attested(r *openRound, want attest.Statement, a attestation) {
	notNext := a.refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	switch {
	case a.signed == nil && notNext:
		f.next = 1 // it lost its disk, or is new
	case a.refusal == 0 && *a.signed == want:
		f.next = want.Number + 1
		if want == r.statement {
			r.brought = r.brought.With(f.by)
			r.event(round.Attested{By: f.by})
		}
	case notNext && a.signed.Number+1 < want.Number:
		f.next = a.signed.Number + 1
	default:
		r.brought = r.brought.With(f.by) // it signed another content, so its attestation will never come
		f.next = want.Number + 1
	}
}

// release asks for bare shares, or for shares with proof.
func (f *follower) release(r *openRound, proven bool) {
	f.busy = true
	k, cert := f.keyholder(), r.cert
	if cert == nil {
		cert = r.certificate(r.state.Attested())
	}
	call(f.s.process, k.process, 200*time.Millisecond, func(answer func(bool, error)) { k.release(cert, answer) },
		func(_ bool, err error) {
			switch {
			case err != nil || r.state.Phase() == round.Attesting:
			case proven:
				r.proved = r.proved.With(f.by)
				r.event(round.Proven{By: f.by})
			default:
				r.answered = r.answered.With(f.by)
				r.event(round.Answered{By: f.by})
			}
			f.done(err)
		})
}
