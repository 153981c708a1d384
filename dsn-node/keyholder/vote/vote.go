// Package vote decides what a keyholder may sign, follow and give shares for: pure functions of what it holds, which the
// simulator runs too. There are no events and effects here: a decision is one call, and what it decides is stored before it is
// shown.
//
// It guarantees: a keyholder attests one content for a number in a view, each after one that is final; it attests and locks
// nothing in a view that it has left; it locks and adopts nothing that contradicts what it locked in the same view or a higher one, or
// knows as final; and after the loss of its votes it signs only for numbers for which
// it cannot have signed before.
//
// Whatever a keyholder holds for a number below its last one is final: it attested or adopted the number after it. So only what
// it holds for the last number can still be replaced.
package vote

import (
	"errors"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrNotHeld is a number for which nothing is held yet.
	ErrNotHeld = errors.New("not attested or adopted yet")
	// ErrOtherOrder is a certificate over another content or predecessor than is held.
	ErrOtherOrder = errors.New("certificate is over another order than is held")
	// ErrPredecessor is a certificate whose content follows another one than is held for the number before, which may be replaced.
	ErrPredecessor = errors.New("the number before has to be adopted first")
	// ErrContradiction is a certificate that contradicts one that was stored, or what is final.
	ErrContradiction = errors.New("certificate contradicts what is locked or final")
	// ErrRestored is a number for which the keyholder may have signed before it lost its votes.
	ErrRestored = errors.New("the votes were lost, and it may have signed for this number before")
	// ErrFinal is a number whose view changes no more.
	ErrFinal = errors.New("the number is final, and nothing changes what is final")
	// ErrNotFinal is a number after one that is not final here.
	ErrNotFinal = errors.New("the number before is not final here")
	// ErrView is a view that is not the present one of the number, or the next.
	ErrView = errors.New("not the present view of the number or the next")
	// ErrLeft is a view that the keyholder has left.
	ErrLeft = errors.New("the keyholder has left this view")
	// ErrReports says that there are not enough reports of peers.
	ErrReports = errors.New("too few reports of peers")
)

// Granted is the absence of a refusal.
const Granted = keyholderv1.AttestRefusal_ATTEST_REFUSAL_UNSPECIFIED

// Held is what a keyholder holds for one number; the zero value is nothing.
type Held struct {
	Signed        attest.Statement // what it attested last, zero for nothing
	SignedView    uint64           // the view of that
	Certified     attest.Statement // what it locked last or adopted, zero for nothing
	CertifiedView uint64           // the view of that certificate
	Final         bool             // what it follows is final
}

// Follows is the statement that the keyholder follows for the number, zero for none: that of the highest view, and of one that it
// attested and one that is certified, the certified one.
func (h Held) Follows() attest.Statement {
	if h.Certified == (attest.Statement{}) || h.Signed != (attest.Statement{}) && h.SignedView > h.CertifiedView {
		return h.Signed
	}
	return h.Certified
}

// Position is where a keyholder is.
type Position struct {
	First     uint64 // the committee's first number
	SignsFrom uint64 // the lowest number that it signs for, 0 for none
	Last      Held   // what it holds for the last number; zero before the first
	Left      Left   // the last views that it said it has left
}

// Left is all views of a number below one.
type Left struct{ Number, View uint64 }

// Number is the last number that something is held for, First-1 for none.
func (p Position) Number() uint64 {
	if s := p.Last.Follows(); s != (attest.Statement{}) {
		return s.Number
	}
	return p.First - 1
}

// Hash is what the next number's statement has to follow, zero before the first.
func (p Position) Hash() common.Hash {
	if s := p.Last.Follows(); s != (attest.Statement{}) {
		return s.Hash()
	}
	return common.Hash{}
}

// View is the lowest view of a number in which the keyholder takes part.
func (p Position) View(number uint64) (view uint64) {
	if number == p.Number() {
		view = max(p.Last.SignedView, p.Last.CertifiedView)
	}
	if number == p.Left.Number {
		view = max(view, p.Left.View)
	}
	return view
}

// ChangeView decides whether a keyholder goes to a view of a number.
func (p Position) ChangeView(number, view uint64) error {
	switch last := p.Number(); {
	case !p.signs(number):
		return ErrRestored
	case number > last+1:
		return ErrNotHeld
	case number < last, number == last && p.Last.Final:
		return ErrFinal
	case number == last+1 && number > p.First && !p.Last.Final:
		return ErrNotFinal
	case view != p.View(number)+1:
		return ErrView
	}
	return nil
}

// AttestAnew decides whether a statement is attested for the last number in a view above the one in which something was attested.
// That the view is open, and open for the statement, the caller knows.
func (p Position) AttestAnew(s attest.Statement, view uint64) bool {
	return s.Number == p.Number() && p.signs(s.Number) && !p.Last.Final && p.Last.Signed != (attest.Statement{}) &&
		view > p.Last.SignedView && view >= p.View(s.Number) && s.Previous == p.Last.Signed.Previous
}

func (p Position) signs(number uint64) bool { return p.SignsFrom != 0 && number >= p.SignsFrom }

// Attest decides whether a statement about a number that nothing is held for is attested in a view.
func (p Position) Attest(s attest.Statement, view uint64) keyholderv1.AttestRefusal {
	switch {
	case !p.signs(s.Number):
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED
	case view < p.View(s.Number):
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_LEFT_VIEW
	case s.Number != p.Number()+1:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	case s.Previous != p.Hash():
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
	case s.Number > p.First && !p.Last.Final:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL
	}
	return Granted
}

// Again decides about a statement for a number that something is held for. What is locked and not known as final is still another
// content than the one that was attested. left is the lowest view of the number in which the keyholder takes part.
func (h Held) Again(s attest.Statement, view, left uint64) keyholderv1.AttestRefusal {
	switch {
	case s == h.Signed && view == h.SignedView:
		return Granted
	case s == h.Follows() && h.Final:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED
	case view < left:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_LEFT_VIEW
	}
	return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
}

// Change is what a certificate changes.
type Change int

const (
	// Nothing has to be stored.
	Nothing Change = iota
	// Certify stores the certificate of what is held.
	Certify
	// Replace stores certificate and content in the place of what was attested for the last number.
	Replace
	// Append stores certificate and content as those of the next number.
	Append
)

// Lock decides whether a statement that is certified in a view is locked there, and what is stored before. held is what is held
// for its number.
func (p Position) Lock(held Held, s attest.Statement, view uint64) (Change, error) {
	switch {
	case !p.signs(s.Number):
		return Nothing, ErrRestored
	case view < p.View(s.Number):
		return Nothing, ErrLeft
	case s.Number > p.Number():
		return Nothing, ErrNotHeld
	}
	return held.certified(s, view)
}

// Adopt decides what a statement changes that is final by a certificate of a view. held is what is held for its number.
func (p Position) Adopt(held Held, s attest.Statement, view uint64) (Change, error) {
	switch last := p.Number(); {
	case s.Number <= last:
		return held.certified(s, view)
	case s.Number > last+1:
		return Nothing, ErrNotHeld
	case s.Previous == p.Hash(): // then the last one is final too: a quorum attested what follows it
		return Append, nil
	case s.Number == p.First || p.Last.Final:
		return Nothing, ErrContradiction
	}
	return Nothing, ErrPredecessor
}

// certified decides what a certificate of a view changes of what is held for its number. That of the highest view is kept: it is
// what a later view has to follow.
func (h Held) certified(s attest.Statement, view uint64) (Change, error) {
	follows, none := h.Follows(), attest.Statement{}
	switch {
	case s == follows && (h.Final || s == h.Certified && view <= h.CertifiedView):
		return Nothing, nil
	case s == follows:
		return Certify, nil
	case h.Final || h.Certified != none && view <= h.CertifiedView:
		return Nothing, ErrContradiction
	case s.Previous != follows.Previous: // which is final, because the number after it was attested
		return Nothing, ErrContradiction
	}
	return Replace, nil
}

// Release decides whether shares are given for a final statement. held is what is held for its number.
func (p Position) Release(held Held, s attest.Statement) error {
	switch {
	case s.Number > p.Number():
		return ErrNotHeld
	case s != held.Follows():
		return ErrOtherOrder
	}
	return nil
}

// SignsFrom is the lowest number that a keyholder signs for which lost its votes. certified are the highest numbers of which
// different peers have shown a certificate, 0 for none; size and quorum are the committee's.
//
// Whoever attests m has seen m-1 final, so a quorum has stored certificates of m-1; an honest one of them is in every quorum of
// peers, and nobody can make a certificate up. So the keyholder has signed nothing above the highest one + 1. When nobody shows
// any, the keyholder and its peers together are enough: a new committee starts while some are down.
func SignsFrom(first uint64, size, quorum int, certified []uint64) (uint64, error) {
	highest := uint64(0)
	for _, number := range certified {
		highest = max(highest, number)
	}
	needed, from := quorum-1, first
	if highest > 0 {
		needed, from = min(quorum, size-1), highest+2
	}
	if len(certified) < needed {
		return 0, fmt.Errorf("%w: %d, needed are %d", ErrReports, len(certified), needed)
	}
	return from, nil
}
