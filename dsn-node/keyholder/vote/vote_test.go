package vote

import (
	"errors"
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var (
	before = attest.Statement{Number: 7, Content: common.Hash{7}}
	mine   = of(8, before.Hash(), 10)
	theirs = of(8, before.Hash(), 11)
	third  = of(8, before.Hash(), 12)
	none   attest.Statement
)

func of(number uint64, previous common.Hash, content byte) attest.Statement {
	return attest.Statement{Number: number, Previous: previous, Content: common.Hash{content}}
}

// at is the position of a keyholder of an old committee that holds something for its last number.
func at(last Held) Position { return Position{First: 2, SignsFrom: 2, Last: last} }

func TestOnlyTheNextStatementIsSignedAfterTheOneBeforeIsFinal(t *testing.T) {
	final, next := Held{Signed: before, Final: true}, of(3, common.Hash{}, 1)
	for _, c := range []struct {
		name string
		at   Position
		of   attest.Statement
		want keyholderv1.AttestRefusal
	}{
		{"the next one", at(final), mine, Granted},
		{"after what was adopted", at(Held{Signed: of(7, common.Hash{}, 9), Certified: before, Final: true}), mine, Granted},
		{"after what was adopted without a signature", at(Held{Certified: before, Final: true}), mine, Granted},
		{"the first", Position{First: 3, SignsFrom: 3}, next, Granted},
		{"not final", at(Held{Signed: before}), mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL},
		{"locked here only", at(Held{Signed: before, Certified: before}), mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL},
		{"a gap before it", at(final), of(9, before.Hash(), 1), keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT},
		{"a number behind", at(final), of(7, before.Hash(), 1), keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT},
		{"after the first", Position{First: 3, SignsFrom: 3}, mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT},
		{"another predecessor", at(final), of(8, common.Hash{1}, 1), keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS},
		{"a predecessor of the first", Position{First: 8, SignsFrom: 8}, mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS},
		{"not restored", Position{First: 2, Last: final}, mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED},
		{"restored above", Position{First: 2, SignsFrom: 9, Last: final}, mine, keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED},
		{"restored up to here", Position{First: 2, SignsFrom: 8, Last: final}, mine, Granted},
	} {
		if got := c.at.Attest(c.of, 0); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestASecondContentIsNeverSigned(t *testing.T) {
	for _, c := range []struct {
		name      string
		signed    attest.Statement
		certified attest.Statement
		asked     attest.Statement
		final     bool
		want      keyholderv1.AttestRefusal
	}{
		{"what was signed", mine, none, mine, false, Granted},
		{"what was signed and locked", mine, mine, mine, false, Granted},
		{"what was signed, another adopted", mine, theirs, mine, true, Granted},
		{"what was adopted instead", mine, theirs, theirs, true, keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED},
		{"what was locked instead", mine, theirs, theirs, false, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
		{"what was adopted only", none, theirs, theirs, true, keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED},
		{"another content", mine, none, theirs, false, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
		{"a third content", mine, theirs, third, true, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
		{"another than was adopted only", none, theirs, third, true, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
	} {
		if got := (Held{Signed: c.signed, Certified: c.certified, Final: c.final}).Again(c.asked, 0, 0); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

// TestACertificateIsFollowedUnlessItContradicts: a lock and an adoption of what is held decide alike.
func TestACertificateIsFollowedUnlessItContradicts(t *testing.T) {
	elsewhere := of(8, common.Hash{2}, 11)
	for _, c := range []struct {
		name   string
		held   Held
		shown  attest.Statement
		change Change
		err    error
	}{
		{"what was signed", Held{Signed: mine}, mine, Certify, nil},
		{"what was signed and is final", Held{Signed: mine, Final: true}, mine, Nothing, nil},
		{"what was locked", Held{Signed: mine, Certified: mine}, mine, Nothing, nil},
		{"what was adopted", Held{Signed: mine, Certified: theirs}, theirs, Nothing, nil},
		{"what was adopted only", Held{Certified: theirs, Final: true}, theirs, Nothing, nil},
		{"another content", Held{Signed: mine}, theirs, Replace, nil},
		{"another than is final", Held{Signed: mine, Final: true}, theirs, Nothing, ErrContradiction},
		{"another than was locked", Held{Signed: mine, Certified: mine}, theirs, Nothing, ErrContradiction},
		{"a second adoption", Held{Signed: mine, Certified: theirs}, third, Nothing, ErrContradiction},
		{"what was signed, after an adoption", Held{Signed: mine, Certified: theirs}, mine, Nothing, ErrContradiction},
		{"another predecessor", Held{Signed: mine}, elsewhere, Nothing, ErrContradiction},
	} {
		p := at(c.held)
		for what, decide := range map[string]func(Held, attest.Statement, uint64) (Change, error){"lock": p.Lock, "adopt": p.Adopt} {
			if change, err := decide(c.held, c.shown, 0); change != c.change || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: %d, %v; not %d, %v", c.name, what, change, err, c.change, c.err)
			}
		}
	}
}

func TestTheNextNumberIsAdoptedInOrderAndNotLocked(t *testing.T) {
	next := of(9, mine.Hash(), 1)
	for _, c := range []struct {
		name   string
		at     Position
		shown  attest.Statement
		change Change
		err    error
	}{
		{"the next", at(Held{Signed: mine, Final: true}), next, Append, nil},
		{"the next, which shows that the last is final", at(Held{Signed: mine}), next, Append, nil},
		{"the first", Position{First: 8}, of(8, common.Hash{}, 1), Append, nil},
		{"the first with a predecessor", Position{First: 8}, mine, Nothing, ErrContradiction},
		{"after another one", at(Held{Signed: theirs}), next, Nothing, ErrPredecessor},
		{"after another one than is final", at(Held{Signed: theirs, Final: true}), next, Nothing, ErrContradiction},
		{"one to come", at(Held{Signed: mine, Final: true}), of(10, next.Hash(), 1), Nothing, ErrNotHeld},
	} {
		if change, err := c.at.Adopt(Held{}, c.shown, 0); change != c.change || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v; not %d, %v", c.name, change, err, c.change, c.err)
		}
		c.at.SignsFrom = c.at.First
		if change, err := c.at.Lock(Held{}, c.shown, 0); change != Nothing || !errors.Is(err, ErrNotHeld) {
			t.Errorf("%s, locked: %d, %v", c.name, change, err)
		}
	}
}

func TestNothingIsLockedThatMayHaveBeenLockedOtherwise(t *testing.T) {
	for _, from := range []uint64{0, 9} {
		p := Position{First: 2, SignsFrom: from, Last: Held{Certified: mine, Final: true}}
		if _, err := p.Lock(p.Last, mine, 0); !errors.Is(err, ErrRestored) {
			t.Errorf("signs from %d: %v", from, err)
		}
		if change, err := p.Adopt(p.Last, mine, 0); change != Nothing || err != nil {
			t.Errorf("signs from %d: %d, %v", from, change, err)
		}
	}
}

func TestSharesAreForWhatIsFollowed(t *testing.T) {
	for _, c := range []struct {
		name  string
		held  Held
		shown attest.Statement
		want  error
	}{
		{"what was signed", Held{Signed: mine}, mine, nil},
		{"what was adopted", Held{Signed: mine, Certified: theirs}, theirs, nil},
		{"what was given up", Held{Signed: mine, Certified: theirs}, mine, ErrOtherOrder},
		{"another", Held{Signed: mine}, theirs, ErrOtherOrder},
	} {
		if err := at(c.held).Release(c.held, c.shown); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := at(Held{Signed: before}).Release(Held{}, mine); !errors.Is(err, ErrNotHeld) {
		t.Errorf("a number to come: %v", err)
	}
}

func TestReportsOfAQuorumOfPeersSayFromWhereIsSigned(t *testing.T) {
	for _, c := range []struct {
		name         string
		size, quorum int
		certified    []uint64
		want         uint64
	}{
		{"a new committee, all there", 4, 3, []uint64{0, 0, 0}, 5},
		{"a new committee, one down", 4, 3, []uint64{0, 0}, 5},
		{"a new committee, two down", 4, 3, []uint64{0}, 0},
		{"one knows a certificate", 4, 3, []uint64{0, 8, 0}, 10},
		{"one knows a certificate, one down", 4, 3, []uint64{0, 8}, 0},
		{"the highest counts", 7, 5, []uint64{3, 9, 8, 9, 20}, 22},
		{"seven, three down", 7, 5, []uint64{9, 9, 9, 9}, 0},
		{"a committee of one", 1, 1, nil, 5},
		{"a committee of two", 2, 2, []uint64{6}, 8},
	} {
		from, err := SignsFrom(5, c.size, c.quorum, c.certified)
		if from != c.want || errors.Is(err, ErrReports) != (c.want == 0) {
			t.Errorf("%s: %d, %v", c.name, from, err)
		}
	}
}

// TestNoViewIsGoneBackTo: what was attested or locked in a view, or left, says from which view on the keyholder takes part.
func TestNoViewIsGoneBackTo(t *testing.T) {
	left := at(Held{Signed: mine})
	left.Left = Left{8, 2}
	for _, c := range []struct {
		name string
		at   Position
		want uint64
	}{
		{"attested in view 0", at(Held{Signed: mine}), 0},
		{"attested in view 1", at(Held{Signed: mine, SignedView: 1}), 1},
		{"locked in view 3", at(Held{Signed: mine, SignedView: 1, Certified: theirs, CertifiedView: 3}), 3},
		{"left for view 2", left, 2},
		{"left of another number", Position{First: 2, SignsFrom: 2, Last: Held{Signed: mine}, Left: Left{7, 2}}, 0},
	} {
		if got := c.at.View(8); got != c.want {
			t.Errorf("%s: view %d, not %d", c.name, got, c.want)
		}
		for view := range c.want {
			if c.at.AttestAnew(theirs, view) {
				t.Errorf("%s: it attests in view %d", c.name, view)
			}
			if change, err := c.at.Lock(c.at.Last, mine, view); change != Nothing || !errors.Is(err, ErrLeft) {
				t.Errorf("%s: it locks in view %d: %d, %v", c.name, view, change, err)
			}
		}
		if err := c.at.ChangeView(8, c.want+1); err != nil {
			t.Errorf("%s: the next view: %v", c.name, err)
		}
		for _, view := range []uint64{c.want, c.want + 2} {
			if err := c.at.ChangeView(8, view); !errors.Is(err, ErrView) {
				t.Errorf("%s: view %d: %v", c.name, view, err)
			}
		}
	}
}

func TestASecondContentIsAttestedOnlyInAHigherViewAndBeforeAnyIsFinal(t *testing.T) {
	elsewhere := of(8, common.Hash{2}, 11)
	for _, c := range []struct {
		name string
		at   Position
		of   attest.Statement
		view uint64
		want bool
	}{
		{"a higher view", at(Held{Signed: mine}), theirs, 1, true},
		{"the same content in a higher view", at(Held{Signed: mine}), mine, 1, true},
		{"a higher view, after a lock in a lower one", at(Held{Signed: mine, Certified: mine}), theirs, 1, true},
		{"the same view", at(Held{Signed: mine, SignedView: 1}), theirs, 1, false},
		{"a lower view", at(Held{Signed: mine, SignedView: 2}), theirs, 1, false},
		{"final", at(Held{Signed: mine, Final: true}), theirs, 1, false},
		{"adopted only", at(Held{Certified: mine, Final: true}), theirs, 1, false},
		{"another predecessor", at(Held{Signed: mine}), elsewhere, 1, false},
		{"another number", at(Held{Signed: mine}), of(9, mine.Hash(), 1), 1, false},
		{"restored above", Position{First: 2, SignsFrom: 9, Last: Held{Signed: mine}}, theirs, 1, false},
	} {
		if got := c.at.AttestAnew(c.of, c.view); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestTheCertificateOfTheHighestViewIsKept: it is what a later view has to follow.
func TestTheCertificateOfTheHighestViewIsKept(t *testing.T) {
	for _, c := range []struct {
		name   string
		held   Held
		shown  attest.Statement
		view   uint64
		change Change
		err    error
	}{
		{"the same again", Held{Signed: mine, Certified: mine}, mine, 0, Nothing, nil},
		{"the same content in a higher view", Held{Signed: mine, Certified: mine}, mine, 1, Certify, nil},
		{"another content in a higher view", Held{Signed: mine, Certified: mine}, theirs, 1, Replace, nil},
		{"another content in the same view", Held{Signed: mine, Certified: mine, CertifiedView: 1}, theirs, 1, Nothing, ErrContradiction},
		{"another content in a lower view", Held{Signed: mine, Certified: mine, CertifiedView: 1}, theirs, 0, Nothing, ErrContradiction},
		{"another content than is final", Held{Signed: mine, Certified: mine, Final: true}, theirs, 1, Nothing, ErrContradiction},
		{"what was attested in a higher view than is locked", Held{Signed: theirs, SignedView: 1, Certified: mine}, theirs, 1, Certify, nil},
	} {
		p := at(c.held)
		if change, err := p.Adopt(c.held, c.shown, c.view); change != c.change || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v; not %d, %v", c.name, change, err, c.change, c.err)
		}
	}
}
