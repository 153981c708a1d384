package rounds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/dsn-node/sequencer/round"
	"blindseq/kit/retry"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Pauses of a follower.
const (
	pingEvery    = 2 * time.Second
	firstBackoff = 20 * time.Millisecond
)

// errWrongAnswer says that a keyholder's answer is none to what was asked.
var errWrongAnswer = errors.New("wrong answer")

// follower brings one keyholder through the numbers.
type follower struct {
	d    *Driver
	by   uint8
	k    Keyholder
	next uint64 // number to attest or adopt next; 0 while not known
	// settled is the last number that it attested or adopted as it stands in the log, 0 when that is not known
	settled uint64
	// behind is the last number for which it said that another is its next
	behind uint64

	// guarded by Driver.mu
	trouble   string        // why the last call failed, "" if it did not
	signsFrom uint64        // the lowest number that it signs for, as it said
	reached   uint64        // the last number that it is known to hold
	took      time.Duration // a call that takes little work, on average
}

func newFollower(d *Driver, by uint8, k Keyholder) *follower {
	return &follower{d: d, by: by, k: k, trouble: "not reached yet"}
}

// run works until ctx ends. An error of one call is a pause, never an end.
func (f *follower) run(ctx context.Context) {
	pause := retry.Policy{First: firstBackoff, Longest: f.d.o.MaxBackoff}.New()
	for ctx.Err() == nil {
		err := f.work(ctx)
		if ctx.Err() != nil {
			return
		}
		f.report(ctx, err)
		if err == nil {
			pause.Reset()
			continue
		}
		_ = pause.Wait(ctx) // the loop looks at ctx
	}
}

// work does the next thing there is to do for this keyholder, or waits for it.
func (f *follower) work(ctx context.Context) error {
	if f.next == 0 {
		return f.greet(ctx)
	}
	r, wanted, changed := f.d.wanted(f.by)
	ctx = r.traced(ctx)
	if wanted == debtWanted {
		return f.settleDebt(ctx, r)
	}
	if r != nil && f.next < r.statement.Number {
		return f.adopt(ctx, f.next, r.statement.Number-1)
	}
	switch wanted {
	case attestationWanted:
		if f.awaitOthers(ctx, r, changed) {
			return nil // and look again
		}
		return f.attest(ctx, r)
	case lockWanted:
		return f.lock(ctx, r, nil)
	case adoptionWanted:
		return f.adopt(ctx, r.statement.Number, r.statement.Number)
	case sharesWanted, proofsWanted:
		if n := f.d.wrongAnswers(r, f.by); n > 0 { // it was asked before and lied; it may have been repaired
			_ = retry.Sleep(ctx, min(firstBackoff<<min(n, 16), f.d.o.MaxBackoff)) // the call finds out
		}
		return f.release(ctx, r, wanted == proofsWanted)
	}
	timer := time.NewTimer(pingEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-changed:
		return nil
	case <-timer.C:
		return f.greet(ctx)
	}
}

// greet asks a keyholder who it is and how far it is.
func (f *follower) greet(ctx context.Context) error {
	var s *keyholderv1.GetStatusResponse
	err := f.call(ctx, "status", func(ctx context.Context) (err error) {
		s, err = f.k.Client.GetStatus(ctx, &keyholderv1.GetStatusRequest{})
		return err
	})
	if err != nil {
		return err
	}
	ours := f.d.o.Committee.Hash()
	address, _ := f.d.o.Committee.Address(uint32(f.by))
	switch {
	case s.GetAuthority() != uint32(f.by) || common.BytesToAddress(s.GetAddress()) != address:
		return fmt.Errorf("it is authority %d, not %d: %w", s.GetAuthority(), f.by, errWrongAnswer)
	case common.BytesToHash(s.GetCommitteeHash()) != ours:
		return fmt.Errorf("it is of another committee: %w", errWrongAnswer)
	}
	f.d.went(ctx, f.by, s.GetViewChange())
	if len(s.GetChallenge()) > 0 {
		if err := f.restore(ctx, common.BytesToHash(s.GetChallenge())); err != nil {
			return err
		}
	} else {
		f.d.note(func() { f.signsFrom = s.GetSignsFrom() })
	}
	f.next, f.settled = max(s.GetLastNumber()+1, f.d.o.Committee.First), 0
	if hash, err := f.d.PayloadHash(s.GetLastNumber()); err == nil && hash != common.BytesToHash(s.GetLastPayloadHash()) {
		f.next = max(s.GetLastNumber(), f.d.o.Committee.First) // it attested something else there
	}
	f.d.note(func() { f.reached = s.GetLastNumber() })
	f.d.o.Observer.Reached(f.by, true, s.GetLastNumber())
	return nil
}

// release asks for the shares of a final content, or with proof for those of what did not open.
func (f *follower) release(ctx context.Context, r *runningRound, proven bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.live, cancel)() // nobody needs them once the round is over
	s, err := f.shares(ctx, r, proven)
	if r.live.Err() != nil {
		return nil
	}
	if err != nil {
		r.askOthers(round.Set{}.With(f.by))
		return err
	}
	f.d.note(func() {
		f.d.late = f.d.late.Without(round.Set{}.With(f.by))
		if proven {
			r.proved = r.proved.With(f.by)
		} else {
			r.answered = r.answered.With(f.by)
		}
	})
	r.bring(ctx, shares{f.by, proven, s})
	return nil
}

// settleDebt asks for the proofs of a round that is over: one whose shares were used spoiled its opening.
func (f *follower) settleDebt(ctx context.Context, r *runningRound) error {
	s, err := f.shares(ctx, r, true)
	if ctx.Err() != nil || status.Code(err) == codes.Unavailable {
		return err // it is asked again
	}
	f.d.paid(r, f.by)
	if err != nil {
		f.d.faults.name(ctx, f.by, kindUnproven, r.statement.Number, err.Error())
		return err
	}
	read, position, err := r.readProven(f.by, s)
	if err != nil {
		r.accuse(ctx, f.by, s, position, err)
		return nil
	}
	r.judge(ctx, f.by, read)
	return nil
}

// shares gets signed shares of a final content; proven are those of what did not open.
func (f *follower) shares(ctx context.Context, r *runningRound, proven bool) (*keyholderv1.SignedShares, error) {
	request, name := &keyholderv1.ReleaseSharesRequest{Certificate: r.certificate}, "release"
	if proven {
		request.Proven, name = r.toProve, "prove"
	}
	var s *keyholderv1.SignedShares
	err := f.call(ctx, name, func(ctx context.Context) error {
		answer, err := f.k.Client.ReleaseShares(ctx, request)
		s = answer.GetShares()
		return err
	})
	if err != nil {
		return nil, err
	}
	payload := r.statement.Hash()
	err = attest.VerifyShares(f.d.o.Committee, s)
	if err == nil && (s.GetAuthority() != uint32(f.by) || s.GetNumber() != r.statement.Number || common.BytesToHash(s.GetPayloadHash()) != payload) {
		err = fmt.Errorf("shares of authority %d for number %d: %w", s.GetAuthority(), s.GetNumber(), errWrongAnswer)
	}
	if err != nil {
		f.d.faults.name(ctx, f.by, kindInvalid, r.statement.Number, err.Error())
		return nil, err
	}
	return s, nil
}

// call makes one call with its deadline.
func (f *follower) call(ctx context.Context, name string, call func(context.Context) error) error {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, f.d.o.CallTimeout)
	defer cancel()
	err := call(bounded)
	f.d.o.Observer.Called(f.by, name, time.Since(began), err)
	if err == nil && (name == "status" || name == "attest" || name == "lock") {
		f.d.note(func() { f.took = (3*f.took + time.Since(began)) / 4 })
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", name, status.Convert(err).Message(), err)
	}
	return nil
}

// report notes what keeps the keyholder from taking part.
func (f *follower) report(ctx context.Context, err error) {
	trouble := ""
	if err != nil {
		trouble = err.Error()
		f.d.o.Observer.Reached(f.by, false, 0)
	}
	if trouble == f.d.troubles()[f.by] {
		return
	}
	f.d.change(func() { f.trouble = trouble })
	if err != nil {
		f.d.o.Log.WarnContext(ctx, "keyholder does not answer as it should", "authority", f.by, "keyholder", f.k.Name, "error", err)
		return
	}
	f.d.o.Log.InfoContext(ctx, "keyholder takes part", "authority", f.by, "keyholder", f.k.Name)
}
