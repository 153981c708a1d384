package sim

import (
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// The committee: 4 keyholders, 3 make a certificate, 2 can decrypt. The last one gives wrong shares.
const (
	members   = 4
	quorum    = 3
	threshold = 2
	liar      = members - 1
)

// openRound is the round of one number, by round.State.
type openRound struct {
	s         *sequencer
	proposal  *preblockv1.Preblock
	statement attest.Statement
	state     round.State
	opens     bool
	cert      *preblockv1.Certificate
	brought   round.Set
	answered  round.Set
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
	opens := hasSecret(p.GetContent())
	r := &openRound{s: s, proposal: p, statement: statementOf(p, previous), state: round.New(quorum, threshold, opens), opens: opens}
	s.round = r
	if opens {
		r.event(round.Planned{Open: 1})
	}
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
		case round.Check:
			wrong := effect.Of.And(round.Set{}.With(liar))
			r.answered = r.answered.Without(wrong)
			r.event(round.Checked{Wrong: wrong})
		case round.Decide:
			r.decide()
		}
	}
}

func (r *openRound) certify(by round.Set) {
	cert := &preblockv1.Certificate{
		Number: r.statement.Number, PreviousPayloadHash: r.statement.Previous[:], ContentHash: r.statement.Content[:],
	}
	for _, a := range by.All() {
		cert.Attestations = append(cert.Attestations, &preblockv1.Attestation{Authority: uint32(a)})
	}
	r.cert = cert
	if r.opens {
		for _, f := range r.s.followers {
			f.pump()
		}
	}
}

func (r *openRound) decide() {
	r.over = true
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
	case !r.over && r.opens && r.cert != nil && !r.answered.Has(f.by):
		f.release(r)
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
	want := r.statement
	if f.next < want.Number {
		var err error
		if want, err = f.s.statement(f.next); err != nil {
			return
		}
	}
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, 200*time.Millisecond, func(answer func(attestation, error)) { k.attest(want, answer) },
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

func (f *follower) release(r *openRound) {
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, 200*time.Millisecond, func(answer func(bool, error)) { k.release(r.cert, answer) },
		func(_ bool, err error) {
			if err == nil {
				r.answered = r.answered.With(f.by)
				r.event(round.Answered{By: f.by})
			}
			f.done(err)
		})
}
