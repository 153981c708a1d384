package vote

import (
	"errors"
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var (
	before = common.Hash{1}
	mine   = attest.Statement{Number: 8, Previous: before, Content: common.Hash{10}}
	theirs = attest.Statement{Number: 8, Previous: before, Content: common.Hash{11}}
	third  = attest.Statement{Number: 8, Previous: before, Content: common.Hash{12}}
	none   attest.Statement
)

func TestOnlyTheNextStatementIsSigned(t *testing.T) {
	for _, c := range []struct {
		name string
		at   Position
		want keyholderv1.AttestRefusal
	}{
		{"the next one", Position{Next: 8, Previous: before}, Granted},
		{"a gap before it", Position{Next: 7, Previous: before}, keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT},
		{"a number behind", Position{Next: 9, Previous: before}, keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT},
		{"another predecessor", Position{Next: 8}, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS},
		{"a void predecessor", Position{Next: 8, Previous: before, Void: true}, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS},
	} {
		if got := Follow(c.at, mine); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestASecondContentIsNeverSigned(t *testing.T) {
	for _, c := range []struct {
		name    string
		adopted attest.Statement
		asked   attest.Statement
		want    keyholderv1.AttestRefusal
	}{
		{"what was signed", none, mine, Granted},
		{"what was signed, another adopted", theirs, mine, Granted},
		{"what was adopted instead", theirs, theirs, keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED},
		{"another content", none, theirs, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
		{"a third content", theirs, third, keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT},
	} {
		if got := Again(mine, c.adopted, c.asked); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestAdoptionsOnlyGoForward(t *testing.T) {
	elsewhere := theirs
	elsewhere.Previous = common.Hash{2}
	for _, c := range []struct {
		name    string
		at      Adoptable
		shown   attest.Statement
		changes bool
		err     error
	}{
		{"another content", Adoptable{Signed: mine, Previous: before}, theirs, true, nil},
		{"what was signed", Adoptable{Signed: mine, Previous: before}, mine, false, nil},
		{"what was adopted", Adoptable{Signed: mine, Adopted: theirs, Previous: before, Last: 8}, theirs, false, nil},
		{"a second adoption", Adoptable{Signed: mine, Adopted: theirs, Previous: before, Last: 8}, third, false, ErrContradiction},
		{"what was signed, after an adoption", Adoptable{Signed: mine, Adopted: theirs, Previous: before, Last: 8}, mine, false, ErrContradiction},
		{"below an adoption", Adoptable{Signed: mine, Previous: before, Last: 9}, theirs, false, ErrContradiction},
		{"right after an adoption", Adoptable{Signed: mine, Previous: before, Last: 7, Void: true}, theirs, true, nil},
		{"further after an adoption, void", Adoptable{Signed: mine, Previous: before, Last: 6, Void: true}, theirs, false, ErrPredecessor},
		{"what was signed, void", Adoptable{Signed: mine, Previous: before, Last: 6, Void: true}, mine, false, ErrPredecessor},
		{"another predecessor", Adoptable{Signed: mine, Previous: before}, elsewhere, false, ErrPredecessor},
	} {
		changes, err := c.at.Adopt(c.shown)
		if changes != c.changes || !errors.Is(err, c.err) {
			t.Errorf("%s: %t, %v; not %t, %v", c.name, changes, err, c.changes, c.err)
		}
	}
}
