package vss

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"blindseq/seal/te"
)

func draw(t *testing.T, threshold int) Polynomial {
	t.Helper()
	p, err := Draw(rand.Reader, threshold)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryShareFitsItsCommitmentsAndNoOther(t *testing.T) {
	p, other := draw(t, 3), draw(t, 3)
	c := p.Commit()
	for authority := range uint8(5) {
		share := p.Share(authority)
		if err := c.Check(authority, share[:]); err != nil {
			t.Error(err)
		}
		if err := c.Check(authority+1, share[:]); !errors.Is(err, ErrShare) {
			t.Errorf("at another place: %v", err)
		}
		if err := other.Commit().Check(authority, share[:]); !errors.Is(err, ErrShare) {
			t.Errorf("of another polynomial: %v", err)
		}
	}
}

func TestSumsOfSharesAndCommitmentsFitTogether(t *testing.T) {
	var all []Commitments
	var shares [][]byte
	for range 4 {
		p := draw(t, 3)
		share := p.Share(2)
		all, shares = append(all, p.Commit()), append(shares, share[:])
	}
	sum, err := SumShares(shares)
	if err != nil {
		t.Fatal(err)
	}
	if err := Sum(all).Check(2, sum[:]); err != nil {
		t.Fatal(err)
	}
	key, err := te.NewKeyShare(2, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	point := Sum(all).Public(2)
	if got := key.Public().G1(); got != point.Bytes() {
		t.Fatal("package te has another public share")
	}
}

func TestBytesThatAreNoCommitmentsOrSharesAreRefused(t *testing.T) {
	good := draw(t, 2).Commit().Encode()
	if _, err := Parse(good, 2); err != nil {
		t.Fatal(err)
	}
	identity := append([]byte{0xc0}, make([]byte, te.G1Size-1)...)
	for name, bad := range map[string][][]byte{
		"too few": good[:1], "too many": append(slices.Clone(good), good[0]), "short": {good[0], good[1][1:]},
		"identity": {good[0], identity}, "no point": {good[0], make([]byte, te.G1Size)},
	} {
		if _, err := Parse(bad, 2); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 31), slices.Repeat([]byte{0xff}, 32)} {
		if err := draw(t, 2).Commit().Check(0, bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("share %x: %v", bad, err)
		}
	}
}

func TestEraseLeavesNothing(t *testing.T) {
	p := draw(t, 3)
	p.Erase()
	for _, k := range p {
		if !k.IsZero() {
			t.Fatal("a coefficient is left")
		}
	}
}
