package sim

import (
	"time"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
)

// keyholderTimeout is that of one call.
const keyholderTimeout = 200 * time.Millisecond

// follower takes one keyholder through the numbers.
type follower struct {
	s       *sequencer
	by      uint8
	next    uint64 // 0 while not known
	settled uint64 // last number where the keyholder follows the log, 0 when not known
	busy    bool
}

// pump takes the keyholder's next step.
func (f *follower) pump() {
	r := f.s.round
	if f.busy || r == nil {
		return
	}
	f.harm(r)
	switch {
	case f.next == 0:
		f.greet()
	case f.next < r.statement.Number:
		f.adopt(f.next)
	case r.final && !r.holds.Has(f.by):
		f.adoptCertified(r.cert, r.proposal.GetContent())
	case r.over:
	case !r.asked.Has(f.by):
		f.attest(r)
	case !r.final && r.cert != nil && !r.locked.Or(r.abstains).Has(f.by):
		f.lock(r, nil)
	case r.final && r.proves && !r.proved.Has(f.by):
		f.release(r, true)
	case r.final && r.sealed && !r.proves && !r.answered.Has(f.by):
		f.release(r, false)
	case r.sealed && !r.final && !r.early.Has(f.by) && r.asksEarly():
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

// status is what a keyholder says of itself.
type status struct {
	last      attest.Statement
	challenge uint64 // 0 when it has its votes
}

func (f *follower) greet() {
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, keyholderTimeout, func(answer func(status, error)) {
		s := status{last: k.position().Last.Follows()}
		if k.signsFrom() == 0 {
			s.challenge = k.challenge
		}
		answer(s, nil)
	}, func(s status, err error) {
		if err == nil && s.challenge != 0 {
			f.restore(s)
			return
		}
		f.greeted(s, err)
	})
}

func (f *follower) greeted(s status, err error) {
	if err == nil {
		f.next, f.settled = s.last.Number+1, 0
		if there, err := f.s.statement(s.last.Number); err == nil && there != s.last {
			f.next = s.last.Number
		}
	}
	f.done(err)
}

// restore brings a keyholder without votes the reports of its peers.
func (f *follower) restore(s status) {
	var reports []report
	missing := members - 1
	for _, peer := range f.s.w.keyholders {
		if peer == f.keyholder() {
			continue
		}
		call(f.s.process, peer.process, keyholderTimeout, func(answer func(report, error)) { answer(peer.report(s.challenge)) },
			func(r report, err error) {
				if err == nil {
					reports = append(reports, r)
				}
				if missing--; missing == 0 {
					f.reported(s, reports)
				}
			})
	}
}

func (f *follower) reported(s status, reports []report) {
	k := f.keyholder()
	call(f.s.process, k.process, keyholderTimeout, func(answer func(bool, error)) { k.restore(reports, answer) },
		func(_ bool, err error) { f.greeted(s, err) })
}

// adopt gives the keyholder what was decided for a number.
func (f *follower) adopt(number uint64) {
	p, ok := f.s.decisions.get(number)
	if !ok {
		return
	}
	f.adoptCertified(p.GetCertificate(), p.GetContent())
}

func (f *follower) adoptCertified(cert *preblockv1.Certificate, c *preblockv1.Content) {
	f.busy = true
	k, number := f.keyholder(), cert.GetNumber()
	call(f.s.process, k.process, keyholderTimeout, func(answer func(bool, error)) { k.adopt(cert, c, answer) },
		func(_ bool, err error) {
			switch {
			case err == nil:
				f.settle(number)
			case f.stepBack(number):
			default:
				f.settled, f.next = 0, 0
			}
			f.done(err)
		})
}

// settle notes that the keyholder follows the log up to a number.
func (f *follower) settle(number uint64) {
	f.next, f.settled = number+1, number
	if r := f.s.round; r != nil && r.statement.Number == number {
		r.holds = r.holds.With(f.by)
	}
}

// stepBack goes to the number before one that does not follow what the keyholder has.
func (f *follower) stepBack(number uint64) bool {
	if number <= 1 || f.settled == number-1 {
		return false
	}
	f.next, f.settled = number-1, 0
	return true
}

func (f *follower) attest(r *openRound) {
	f.busy = true
	k := f.keyholder()
	p := proposal{r.statement, r.proposal.GetContent(), r.previous}
	call(f.s.process, k.process, keyholderTimeout, func(answer func(attestation, error)) { k.attest(p, answer) },
		func(a attestation, err error) {
			if err == nil {
				f.attested(r, a)
			}
			f.done(err)
		})
}

func (f *follower) attested(r *openRound, a attestation) {
	number := r.statement.Number
	switch {
	case a.refusal == 0 && *a.signed == r.statement:
		f.settle(number)
		r.asked = r.asked.With(f.by)
		r.event(round.Attested{By: f.by})
	case a.refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED:
		f.settle(number)
		r.asked = r.asked.With(f.by)
	case a.refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED:
		r.asked, r.abstains = r.asked.With(f.by), r.abstains.With(f.by)
	case a.refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT:
		r.asked = r.asked.With(f.by) // it locks what the others certify
		r.other = r.other.With(f.by)
	case a.refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT:
		f.next = 0 // it lost its disk, or is new
	default:
		if !f.stepBack(number) {
			f.next = 0
		}
	}
}

// lock shows a keyholder the certificate, and the content when it attested another one.
func (f *follower) lock(r *openRound, c *preblockv1.Content) {
	if r.other.Has(f.by) {
		c = r.proposal.GetContent()
	}
	f.busy = true
	k := f.keyholder()
	call(f.s.process, k.process, keyholderTimeout, func(answer func(bool, error)) { k.lock(r.cert, c, answer) },
		func(_ bool, err error) {
			if err != nil {
				r.asked = r.asked.Without(round.Set{}.With(f.by)) // it does not hold what it attested
				f.done(err)
				return
			}
			f.settle(r.statement.Number)
			r.locked = r.locked.With(f.by)
			r.event(round.Locked{By: f.by})
			f.done(nil)
		})
}

// release asks for bare shares, or for shares with proof.
func (f *follower) release(r *openRound, proven bool) {
	f.busy = true
	k, cert := f.keyholder(), r.cert
	if cert == nil {
		cert = r.certificate(r.state.Attested())
	}
	call(f.s.process, k.process, keyholderTimeout, func(answer func(bool, error)) { k.release(cert, answer) },
		func(_ bool, err error) {
			switch {
			case !r.final:
				err = nil // it was asked too early
			case err != nil:
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
