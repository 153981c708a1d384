package rounds

import (
	"context"
	"fmt"

	"blindseq/dsn-node/sequencer/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// attest has a round's content attested. With the proposal goes the proof that the number before is final.
func (f *follower) attest(ctx context.Context, r *runningRound) error {
	committeeHash := f.d.o.Committee.Hash()
	var answer *keyholderv1.AttestResponse
	err := f.call(ctx, "attest", func(ctx context.Context) (err error) {
		answer, err = f.k.Client.Attest(ctx, &keyholderv1.AttestRequest{
			CommitteeHash: committeeHash[:], Content: r.content, PreviousPayloadHash: r.statement.Previous[:],
			View: r.view.number, Proposal: r.proposal, Finality: r.previous, ViewChanges: r.view.changes, Others: f.d.others(r, f.by),
		})
		return err
	})
	if err != nil {
		return err
	}
	if err := f.attested(ctx, r, answer); err != nil {
		f.settled, f.behind = 0, 0
		return fmt.Errorf("number %d: %w", r.statement.Number, err)
	}
	return nil
}

// attested looks at an answer and brings what is in it to the round.
func (f *follower) attested(ctx context.Context, r *runningRound, answer *keyholderv1.AttestResponse) error {
	number := r.statement.Number
	got, err := f.signed(ctx, number, answer.GetAttested())
	if err != nil {
		return err
	}
	certified, final := f.shown(r, answer.GetCertificate())
	if certified {
		r.bring(ctx, shown{answer.GetCertificate(), final})
	}
	attested := answer.GetRefusal() == 0 && got == r.statement && answer.GetAttested().GetView() == r.view.number
	if !attested && !certified {
		return f.refused(ctx, r, answer.GetRefusal(), got)
	}
	f.settle(number) // it holds the content, and can be asked for its lock, unless that is final
	f.d.note(func() { r.asked = r.asked.With(f.by) })
	if attested {
		r.bring(ctx, attestation{f.by, answer.GetAttested().GetAttestation(), f.lockedToo(ctx, r, answer.GetLock())})
	}
	return nil
}

// lockedToo is the lock that came with an attestation; nil for none, and for one that is of no use.
func (f *follower) lockedToo(ctx context.Context, r *runningRound, lock *preblockv1.Attestation) *preblockv1.Attestation {
	if lock == nil {
		return nil
	}
	if err := f.verifyLock(r, lock); err != nil {
		f.d.faults.name(ctx, f.by, kindInvalid, r.statement.Number, err.Error())
		return nil
	}
	return lock
}

func (f *follower) verifyLock(r *runningRound, lock *preblockv1.Attestation) error {
	err := attest.VerifyLock(f.d.o.Committee, r.statement, r.view.number, lock)
	if err == nil && lock.GetAuthority() != uint32(f.by) {
		err = fmt.Errorf("a lock of authority %d: %w", lock.GetAuthority(), errWrongAnswer)
	}
	return err
}

// refused finds out why a keyholder does not attest, and what to do about it. got is what it shows that it signed.
func (f *follower) refused(ctx context.Context, r *runningRound, refusal keyholderv1.AttestRefusal, got attest.Statement) error {
	number := r.statement.Number
	switch {
	case refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED:
		if f.signsFrom <= number && f.behind != number { // it lost its votes since it was greeted
			f.next, f.behind = 0, number
			return nil
		}
		f.d.note(func() { r.asked, r.abstains = r.asked.With(f.by), r.abstains.With(f.by) })
		return nil
	case refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_LEFT_VIEW:
		f.d.note(func() { r.asked, r.abstains = r.asked.With(f.by), r.abstains.With(f.by) })
		return f.greet(ctx) // its status has the statement
	case refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT && got.Number == number && got != r.statement:
		if f.d.certified(r) { // nobody else can certify what it signed
			return f.lock(ctx, r, r.content)
		}
	case refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS, refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL:
		if f.stepBack(number) {
			return nil
		}
	case refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT && f.behind != number:
		f.next, f.behind = 0, number // it lost its disk, or is new: its status says so
		return nil
	}
	err := fmt.Errorf("%w: it signed %s for number %d and says %s", errWrongAnswer, got.Hash(), got.Number, refusal)
	f.d.faults.name(ctx, f.by, kindDissent, number, err.Error())
	return err
}

// signed reads what an answer says the keyholder signed, which may be nothing, and looks whether it contradicts itself.
func (f *follower) signed(ctx context.Context, number uint64, a *keyholderv1.Attested) (attest.Statement, error) {
	if a == nil {
		return attest.Statement{}, nil
	}
	got, err := attest.Read(f.d.o.Committee, a)
	if err == nil && a.GetAttestation().GetAuthority() != uint32(f.by) {
		err = attest.ErrNotSigned
	}
	if err != nil {
		f.d.faults.name(ctx, f.by, kindInvalid, number, err.Error())
		return attest.Statement{}, err
	}
	f.d.faults.examine(ctx, f.by, got, a, f.logged(got.Number))
	return got, nil
}

// shown tells whether a certificate is one over the round's content, and whether it makes it final. What is final is so in every
// view; what is only certified can be locked in its own.
func (f *follower) shown(r *runningRound, c *preblockv1.Certificate) (certified, final bool) {
	if c == nil {
		return false, false
	}
	s, err := attest.Verify(f.d.o.Committee, c)
	if err != nil || s != r.statement {
		return false, false
	}
	final = attest.VerifyLocks(f.d.o.Committee, s, c) == nil
	return final || c.GetView() == r.view.number, final
}

// logged is this keyholder's attestation in the log for an earlier number, nil if there is none.
func (f *follower) logged(number uint64) *keyholderv1.Attested {
	if r := f.d.current(); r == nil || number >= r.statement.Number || number < f.d.o.Committee.First {
		return nil
	}
	final, err := f.d.final(number)
	if err != nil {
		return nil
	}
	cert := final.certificate
	for _, a := range cert.GetAttestations() {
		if a.GetAuthority() == uint32(f.by) {
			return &keyholderv1.Attested{
				Number: number, ContentHash: cert.GetContentHash(), PreviousPayloadHash: cert.GetPreviousPayloadHash(),
				View: cert.GetView(), Attestation: a,
			}
		}
	}
	return nil
}

// certified tells whether a round has its certificate, and no locks of a quorum yet.
func (d *Driver) certified(r *runningRound) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return r.certificate != nil && !r.final && !r.over
}

// lock shows a keyholder the certificate. Who attested another content, or none, is given the certified one.
func (f *follower) lock(ctx context.Context, r *runningRound, c *preblockv1.Content) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.live, cancel)() // nobody needs it once the round is over
	var certificate *preblockv1.Certificate
	f.d.note(func() { certificate = attest.Final(r.certificate, nil) })
	var answer *keyholderv1.LockResponse
	err := f.call(ctx, "lock", func(ctx context.Context) (err error) {
		answer, err = f.k.Client.Lock(ctx, &keyholderv1.LockRequest{Certificate: certificate, Content: c})
		return err
	})
	switch {
	case r.live.Err() != nil:
		return nil
	case status.Code(err) == codes.PermissionDenied:
		f.next = 0 // it may have left the view
		return err
	case status.Code(err) == codes.FailedPrecondition:
		f.d.note(func() { r.asked = r.asked.Without(round.Set{}.With(f.by)) }) // it does not hold what it said it attested
		return err
	case err != nil:
		return err
	}
	signed := answer.GetLock()
	if err := f.verifyLock(r, signed); err != nil {
		f.d.faults.name(ctx, f.by, kindInvalid, r.statement.Number, err.Error())
		return err
	}
	f.settle(r.statement.Number)
	f.d.note(func() { r.asked, r.locked = r.asked.With(f.by), r.locked.With(f.by) })
	if c != nil {
		f.d.o.Log.InfoContext(ctx, "keyholder had attested a content that was lost, and has locked the certified one", "authority", f.by,
			"keyholder", f.k.Name, "number", r.statement.Number)
	}
	r.bring(ctx, lock{f.by, signed})
	return nil
}
