package voter

import (
	"errors"
	"testing"
	"time"

	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const leftView = keyholderv1.AttestRefusal_ATTEST_REFUSAL_LEFT_VIEW

// in is a proposal of a view. The first three keyholders have gone there, each with a certificate or nil.
func (l *lone) in(view uint64, c *preblockv1.Content, previous common.Hash, locked ...*preblockv1.Certificate) Proposal {
	l.t.Helper()
	signature, err := attest.StatementOf(l.Committee.Committee, c, previous).Propose(l.Sequencer, view)
	if err != nil {
		l.t.Fatal(err)
	}
	for len(locked) < 3 {
		locked = append(locked, nil)
	}
	return Proposal{
		Content: c, Previous: previous, View: view, Signature: signature, Finality: l.finals[previous],
		Changes: l.ViewChanges(c.GetNumber(), view, locked...),
	}
}

func (l *lone) expectIn(h *Voter, what string, p Proposal, want keyholderv1.AttestRefusal) Answer {
	l.t.Helper()
	a, err := h.Attest(l.t.Context(), p)
	if err != nil || a.Refusal != want {
		l.t.Fatalf("%s: %s, %v, want %s", what, a.Refusal, err, want)
	}
	return a
}

// certifyIn is a final certificate of a view.
func (l *lone) certifyIn(view uint64, c *preblockv1.Content, previous common.Hash) *keyholderv1.Adopted {
	l.t.Helper()
	cert, hash := l.CertifyIn(view, c, previous)
	l.finals[hash] = cert
	return &keyholderv1.Adopted{Content: c, Certificate: cert}
}

// leaves has a view left, and checks the statement of it: what is shown as locked.
func (l *lone) leaves(h *Voter, number, view uint64, locked *preblockv1.Certificate) *keyholderv1.ViewChange {
	l.t.Helper()
	m, err := h.ChangeView(l.t.Context(), number, view)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := attest.VerifyViewChange(l.Committee.Committee, m); err != nil || m.GetNumber() != number || m.GetView() != view || m.GetAuthority() != 3 {
		l.t.Fatalf("%v, %v", m, err)
	}
	if !proto.Equal(m.GetCertificate(), locked) {
		l.t.Fatalf("view %d: it shows %v, not %v", view, m.GetCertificate(), locked)
	}
	return m
}

// TestNothingIsSignedInAViewThatWasLeft, also after a restart; and it is said again with the same words.
func TestNothingIsSignedInAViewThatWasLeft(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	mine := l.expect(h, "before", contentOf(5, 0), common.Hash{}, vote.Granted)
	a, _ := l.certify(contentOf(5, 0), common.Hash{})
	other, _ := l.certify(contentOf(5, 1), common.Hash{})
	m := l.leaves(h, 5, 1, nil)
	for range 2 {
		if again := l.leaves(h, 5, 1, nil); !proto.Equal(again, m) || !proto.Equal(h.Status().Left, m) {
			t.Fatalf("it says %v, not %v", again, m)
		}
		for _, one := range []*keyholderv1.Adopted{a, other} {
			if lock, err := h.Lock(t.Context(), unlocked(one), one.GetContent()); !errors.Is(err, vote.ErrLeft) {
				t.Fatalf("a lock in view 0: %v, %v", lock, err)
			}
		}
		if again := l.expect(h, "what it signed", contentOf(5, 0), common.Hash{}, vote.Granted); !proto.Equal(again.Attested, mine.Attested) {
			t.Fatalf("it shows %v", again)
		}
		l.expect(h, "another in view 0", contentOf(5, 1), common.Hash{}, leftView)
		h = l.again(h)
	}
}

// TestNothingIsAttestedInAViewThatWasLeftBefore: it had attested nothing for the number.
func TestNothingIsAttestedInAViewThatWasLeftBefore(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	l.leaves(h, 5, 1, nil)
	for range 2 {
		if a := l.expect(h, "view 0", contentOf(5, 0), common.Hash{}, leftView); a.Attested != nil {
			t.Fatalf("it signed %v", a)
		}
		h = l.again(h)
	}
	l.expectIn(h, "view 1", l.in(1, contentOf(5, 0), common.Hash{}), vote.Granted)
	for range 2 {
		l.expectIn(h, "another in view 1", l.in(1, contentOf(5, 1), common.Hash{}), otherContent)
		l.expect(h, "view 0", contentOf(5, 0), common.Hash{}, leftView)
		h = l.again(h)
	}
}

func TestInAHigherViewOnlyWhatAQuorumAllowsIsAttested(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	locked, _ := l.certify(contentOf(5, 1), common.Hash{})
	l.expect(h, "view 0", contentOf(5, 0), common.Hash{}, vote.Granted)
	good := l.in(1, contentOf(5, 2), common.Hash{})
	with := func(change func(*Proposal)) Proposal { p := good; change(&p); return p }
	for name, c := range map[string]struct {
		p    Proposal
		want error
	}{
		"nobody went there":       {with(func(p *Proposal) { p.Changes = nil }), attest.ErrViewChange},
		"too few went there":      {with(func(p *Proposal) { p.Changes = p.Changes[:2] }), attest.ErrViewChange},
		"they went elsewhere":     {with(func(p *Proposal) { p.Changes = l.ViewChanges(5, 2, nil, nil, nil) }), attest.ErrViewChange},
		"another one is locked":   {l.in(1, contentOf(5, 2), common.Hash{}, nil, unlocked(locked)), attest.ErrViewChange},
		"of another predecessor":  {l.in(1, contentOf(5, 1), common.Hash{7}, nil, unlocked(locked)), attest.ErrViewChange},
		"proposed in view 0 only": {with(func(p *Proposal) { p.Signature = l.proposal(contentOf(5, 2), common.Hash{}).Signature }), attest.ErrProposal},
		"ahead of the clock": {l.in(1, changed(contentOf(5, 2), func(c *preblockv1.Content) {
			c.Timestamp = timestamppb.New(began.Add(time.Hour))
		}), common.Hash{}), rules.ErrClock},
	} {
		if a, err := h.Attest(t.Context(), c.p); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	a := l.expectIn(h, "what they allow", good, vote.Granted)
	if s, err := attest.Read(l.Committee.Committee, a.Attested); err != nil || s != attest.StatementOf(l.Committee.Committee, contentOf(5, 2), common.Hash{}) ||
		a.Attested.GetView() != 1 {
		t.Fatalf("it signed %v, %v", a, err)
	}
	for range 2 {
		if again := l.expectIn(h, "again", good, vote.Granted); !proto.Equal(again.Attested, a.Attested) {
			t.Fatalf("again: %v", again)
		}
		l.expectIn(h, "another", l.in(1, contentOf(5, 3), common.Hash{}), otherContent)
		l.expect(h, "what it attested in view 0", contentOf(5, 0), common.Hash{}, leftView)
		if _, err := h.Lock(t.Context(), unlocked(locked), locked.GetContent()); !errors.Is(err, vote.ErrLeft) {
			t.Fatalf("a lock in view 0: %v", err)
		}
		h = l.again(h)
	}
	l.expectIn(h, "what was locked elsewhere, in view 2", l.in(2, contentOf(5, 1), common.Hash{}, nil, unlocked(locked)), vote.Granted)
}

// TestWhatWasLockedIsShownWhenAViewIsLeft: the certificate of the highest view, in which it locked.
func TestWhatWasLockedIsShownWhenAViewIsLeft(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	l.expect(h, "view 0", contentOf(5, 0), common.Hash{}, vote.Granted)
	zero := l.certifyIn(0, contentOf(5, 0), common.Hash{})
	one, two := l.certifyIn(1, contentOf(5, 1), common.Hash{}), l.certifyIn(2, contentOf(5, 1), common.Hash{})
	l.locks(h, zero, nil)
	m := l.leaves(h, 5, 1, unlocked(zero))
	l.expectIn(h, "another in view 1, as the others show nothing", l.in(1, contentOf(5, 1), common.Hash{}), vote.Granted)
	h = l.again(h)
	l.leaves(h, 5, 2, unlocked(zero))
	h = l.again(h)
	l.expectIn(h, "in view 2", l.in(2, contentOf(5, 1), common.Hash{}, unlocked(one)), vote.Granted)
	if _, err := h.Lock(t.Context(), unlocked(one), nil); !errors.Is(err, vote.ErrLeft) {
		t.Fatalf("a lock in view 1: %v", err)
	}
	if lock, err := h.Lock(t.Context(), unlocked(two), nil); err != nil || lock == nil {
		t.Fatal(err)
	}
	h = l.again(h)
	l.leaves(h, 5, 3, unlocked(two))
	if _, err := h.ChangeView(t.Context(), 5, 1); !errors.Is(err, vote.ErrView) {
		t.Fatalf("view 1 again, after view 3: %v; it said %v", err, m)
	}
}

func TestNoViewOfAFinalNumberIsLeft(t *testing.T) {
	l := newLone(t)
	h := l.restored()
	all, hashes := l.chain(0, 2)
	l.expect(h, "5", all[0].GetContent(), common.Hash{}, vote.Granted)
	for _, c := range []struct {
		number, view uint64
		want         error
	}{{5, 0, vote.ErrView}, {5, 2, vote.ErrView}, {6, 1, vote.ErrNotFinal}, {7, 1, vote.ErrNotHeld}, {4, 1, vote.ErrRestored}} {
		if m, err := h.ChangeView(t.Context(), c.number, c.view); !errors.Is(err, c.want) {
			t.Errorf("view %d of %d: %v, %v", c.view, c.number, m, err)
		}
	}
	l.expect(h, "6", all[1].GetContent(), hashes[0], vote.Granted)
	if m, err := h.ChangeView(t.Context(), 5, 1); !errors.Is(err, vote.ErrFinal) {
		t.Fatalf("of a number before the last: %v, %v", m, err)
	}
	if err := h.Adopt(t.Context(), all[1]); err != nil {
		t.Fatal(err)
	}
	if m, err := h.ChangeView(t.Context(), 6, 1); !errors.Is(err, vote.ErrFinal) {
		t.Fatalf("of the last number: %v, %v", m, err)
	}
	l.leaves(h, 7, 1, nil)
	lost := l.lose(h)
	if m, err := lost.ChangeView(t.Context(), 7, 1); !errors.Is(err, vote.ErrRestored) {
		t.Fatalf("without its votes: %v, %v", m, err)
	}
}

// TestWhatAHigherViewDecidesIsFollowed and opened; what was given up is not, and uses no seq.
func TestWhatAHigherViewDecidesIsFollowed(t *testing.T) {
	for name, attests := range map[string]bool{"attested there": true, "locked there": false} {
		l := newLone(t)
		given, certified, next, other := l.orders()
		h := l.restored()
		l.expect(h, name, given, common.Hash{}, vote.Granted)
		l.locks(h, l.certifyIn(0, given, common.Hash{}), nil)
		l.leaves(h, 5, 1, unlocked(l.certifyIn(0, given, common.Hash{})))
		if attests {
			l.expectIn(h, name, l.in(1, certified, common.Hash{}), vote.Granted)
			h = l.again(h)
		}
		a := l.certifyIn(1, certified, common.Hash{})
		if _, err := h.Lock(t.Context(), unlocked(a), certified); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h = l.again(h)
		if _, err := h.Release(t.Context(), l.certifyIn(0, given, common.Hash{}).GetCertificate(), nil); !errors.Is(err, vote.ErrOtherOrder) {
			t.Fatalf("%s: shares of what was given up: %v", name, err)
		}
		l.continues(h, certified, next, other)
		h = l.again(h)
		if got, err := h.Attested(5); err != nil || got.GetAdopted().GetCertificate().GetView() != 1 {
			t.Fatalf("%s: it holds %v, %v", name, got, err)
		}
	}
}

// TestTheOrderEndsWithWhatWasAttestedInTheHighestView, before it is locked here, and whatever was attested or locked before.
func TestTheOrderEndsWithWhatWasAttestedInTheHighestView(t *testing.T) {
	l := newLone(t)
	given, certified, next, other := l.orders()
	h := l.restored()
	l.expect(h, "view 0", given, common.Hash{}, vote.Granted)
	l.locks(h, l.certifyIn(0, given, common.Hash{}), nil)
	l.expectIn(h, "view 1", l.in(1, certified, common.Hash{}), vote.Granted)
	l.expectIn(h, "the first again, in view 2", l.in(2, given, common.Hash{}), vote.Granted)
	l.expectIn(h, "the other, in view 3", l.in(3, certified, common.Hash{}), vote.Granted)
	spent := changed(given, func(c *preblockv1.Content) { c.Transactions = c.Transactions[1:] })
	if _, err := h.Attest(t.Context(), l.in(4, spent, common.Hash{})); !errors.Is(err, rules.ErrSeq) {
		t.Fatalf("a content that breaks a rule, in view 4: %v", err)
	}
	l.continues(h, certified, next, other)
}

// TestAKeyholderThatWasAwayAdoptsWhatAHigherViewDecided, whatever it attested or locked before.
func TestAKeyholderThatWasAwayAdoptsWhatAHigherViewDecided(t *testing.T) {
	for name, locks := range map[string]bool{"attested another": false, "locked another": true} {
		l := newLone(t)
		given, certified, next, other := l.orders()
		h := l.restored()
		l.expect(h, name, given, common.Hash{}, vote.Granted)
		if locks {
			l.locks(h, l.certifyIn(0, given, common.Hash{}), nil)
		}
		a := l.certifyIn(1, certified, common.Hash{})
		for range 2 {
			if err := h.Adopt(t.Context(), a); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h = l.again(h)
		}
		l.certifyIn(0, certified, common.Hash{})
		l.finals[hashOf(l, certified)] = a.GetCertificate()
		l.continues(h, certified, next, other)
	}
}

func hashOf(l *lone, c *preblockv1.Content) common.Hash {
	return attest.StatementOf(l.Committee.Committee, c, common.Hash{}).Hash()
}

// TestCrashAtAnyStepOfAChangeOfViewIsFollowedByTheSame crashes at every operation of the disk, when a view is left, and when
// something is attested and locked in the next one. What was shown before the crash is shown again, and nothing else is.
func TestCrashAtAnyStepOfAChangeOfViewIsFollowedByTheSame(t *testing.T) {
	for _, late := range []bool{false, true} {
		for good, done := 0, false; !done; good++ {
			l := newLone(t)
			given, certified, next, other := l.orders()
			zero, one := l.certifyIn(0, given, common.Hash{}), l.certifyIn(1, certified, common.Hash{})
			h := l.restored()
			l.expect(h, "view 0", given, common.Hash{}, vote.Granted)
			l.locks(h, zero, nil)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			steps := []func(*Voter) (proto.Message, error){
				func(h *Voter) (proto.Message, error) { return h.ChangeView(t.Context(), 5, 1) },
				func(h *Voter) (proto.Message, error) {
					a, err := h.Attest(t.Context(), l.in(1, certified, common.Hash{}))
					return a.Attested, err
				},
				func(h *Voter) (proto.Message, error) { return h.Lock(t.Context(), unlocked(one), nil) },
			}
			o := l.o
			o.FS = &crashingFS{good: good, late: late}
			var shown []proto.Message
			h, err := Open(t.Context(), o)
			for _, step := range steps {
				if err == nil {
					var m proto.Message
					if m, err = step(h); err == nil {
						shown = append(shown, m)
					}
				}
			}
			if done = err == nil; !done && !errors.Is(err, errDisk) && !errors.Is(err, ErrStorage) {
				t.Fatalf("crash %d: %v", good, err)
			}
			if h != nil {
				_ = h.Close()
			}
			h = l.open()
			if len(shown) > 0 {
				l.expect(h, "another in view 0", contentOf(5, 9), common.Hash{}, leftView)
				if _, err := h.Lock(t.Context(), unlocked(zero), nil); !errors.Is(err, vote.ErrLeft) {
					t.Fatalf("crash %d: a lock in view 0: %v", good, err)
				}
			}
			if len(shown) > 1 {
				l.expectIn(h, "another in view 1", l.in(1, contentOf(5, 9), common.Hash{}), otherContent)
			}
			for i, step := range steps {
				m, err := step(h)
				if err != nil || i < len(shown) && !proto.Equal(m, shown[i]) {
					t.Fatalf("crash %d, step %d again: %v, %v", good, i, m, err)
				}
			}
			l.continues(h, certified, next, other)
		}
	}
}
