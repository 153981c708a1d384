package feldman

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/gtank/ristretto255"

	"blindseq/seal"
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
	secret, err := seal.NewSecret(2, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if got := secret.Public(); got != Sum(all).Public(2) {
		t.Fatal("package seal has another public key for the share")
	}
}

// Keys that several dealers made together are keys of package seal, and open what is sealed to them.
func TestTheSumIsACommitteesKey(t *testing.T) {
	const keyholders, threshold = 4, 3
	var polynomials []Polynomial
	var all []Commitments
	for range keyholders {
		p := draw(t, threshold)
		c, err := Parse(p.Commit().Encode(), threshold)
		if err != nil {
			t.Fatal(err)
		}
		polynomials, all = append(polynomials, p), append(all, c)
	}
	var points []seal.Point
	var secrets []*seal.Secret
	for i := range uint8(keyholders) {
		var shares [][]byte
		for _, p := range polynomials {
			share := p.Share(i)
			shares = append(shares, share[:])
		}
		sum, err := SumShares(shares)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := seal.NewSecret(i, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		points, secrets = append(points, Sum(all).Public(i)), append(secrets, secret)
	}
	keys, err := seal.NewKeys(1337, threshold, Sum(all).Secret(), points)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if err := s.BelongsTo(keys); err != nil {
			t.Error(err)
		}
	}
}

// Dealers whose highest coefficients cancel would make a key that fewer shares open: the keys are refused.
func TestASumOfLowerDegreeIsNoCommitteesKey(t *testing.T) {
	p, q := draw(t, 3), draw(t, 3)
	q[2].Negate(p[2])
	sum := Sum([]Commitments{p.Commit(), q.Commit()})
	var points []seal.Point
	for i := range uint8(4) {
		points = append(points, sum.Public(i))
	}
	if _, err := seal.NewKeys(1337, 3, sum.Secret(), points); !errors.Is(err, seal.ErrKeys) {
		t.Errorf("keys of a lower degree: %v", err)
	}
}

func TestBytesThatAreNoCommitmentsOrSharesAreRefused(t *testing.T) {
	good := draw(t, 2).Commit().Encode()
	if _, err := Parse(good, 2); err != nil {
		t.Fatal(err)
	}
	unmasked := slices.Clone(good[1])
	unmasked[31] |= 0x80
	for name, bad := range map[string][][]byte{
		"too few": good[:1], "too many": append(slices.Clone(good), good[0]), "short": {good[0], good[1][1:]},
		"identity": {good[0], make([]byte, seal.PointSize)}, "no point": {good[0], slices.Repeat([]byte{0xff}, 32)},
		"bit 255": {good[0], unmasked},
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
		if k.Equal(ristretto255.NewScalar()) != 1 {
			t.Fatal("a coefficient is left")
		}
	}
}
