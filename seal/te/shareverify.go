package te

import (
	"cmp"
	"fmt"
	"slices"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// A share D of the keyholder with secret k is k·U. The formats check it as e(D, H) = e(PK, W) with the public key in G1.
// For a verified ciphertext that says the same as e(D, G2) = e(U, PK) with the public key in G2, in which the points of G2
// do not depend on the ciphertext: sums over many ciphertexts are sums in G1.

// Verify checks one share.
func (s *PublicShare) Verify(v *Verified, share *DecryptionShare) error {
	u := v.point()
	if share == nil || share.Authority != s.Authority || u.IsInfinity() || !s.opens(u, share.point) {
		return fmt.Errorf("verify share of authority %d: %w", s.Authority, ErrShare)
	}
	return nil
}

// VerifyBatch checks this keyholder's shares of many ciphertexts in the form the format defines, in which the coefficients
// are the powers of a hash of everything checked: everybody gets the same answer. PublicKeys.VerifyShares is faster and
// checks many keyholders at once. The error is a *BadShares.
func (s *PublicShare) VerifyBatch(vs []*Verified, shares []*DecryptionShare) error {
	u, err := pointsOf(vs)
	if err != nil {
		return fmt.Errorf("verify shares: %w", err)
	}
	d, err := s.collect(len(vs), shares)
	if err != nil {
		return &BadShares{[]ShareFault{{Authority: s.Authority, Reason: err}}}
	}
	holds := func(from, to int) bool {
		rho, err := s.batchHash(d[from:to], u[from:to])
		if err != nil {
			return false
		}
		powers := make([]fr.Element, to-from)
		powers[0].SetOne()
		for i := 1; i < len(powers); i++ {
			powers[i].Mul(&powers[i-1], &rho)
		}
		return s.opens(sumG1(u[from:to], powers), sumG1(d[from:to], powers))
	}
	if len(u) == 0 || holds(0, len(u)) {
		return nil
	}
	return &BadShares{[]ShareFault{{Authority: s.Authority, Indexes: findBad(len(u), MaxNamedShares, holds)}}}
}

// batchHash is ρ: the hash of D_1..D_n ‖ PK in G1 ‖ U_1..U_n ‖ PK in G2 ‖ generator of G1.
func (s *PublicShare) batchHash(d, u []bls.G1Affine) (fr.Element, error) {
	msg := make([]byte, 0, (len(d)+len(u)+2)*G1Size+G2Size)
	appendPoint := func(p bls.G1Affine) {
		b := p.Bytes()
		msg = append(msg, b[:]...)
	}
	for _, p := range d {
		appendPoint(p)
	}
	appendPoint(s.g1)
	for _, p := range u {
		appendPoint(p)
	}
	g2 := s.G2()
	msg = append(msg, g2[:]...)
	appendPoint(generatorG1())
	return hashToScalar(msg)
}

// pointsOf returns the U of each ciphertext. Nobody's shares are at fault if one is not verified.
func pointsOf(vs []*Verified) ([]bls.G1Affine, error) {
	u := make([]bls.G1Affine, len(vs))
	for i, v := range vs {
		if u[i] = v.point(); u[i].IsInfinity() {
			return nil, fmt.Errorf("%w: ciphertext %d is not verified", ErrCiphertext, i)
		}
	}
	return u, nil
}

// collect returns the points of n shares, or what is wrong with the set as such.
func (s *PublicShare) collect(n int, shares []*DecryptionShare) ([]bls.G1Affine, error) {
	if len(shares) != n {
		return nil, fmt.Errorf("%w: %d shares of %d ciphertexts", ErrShare, len(shares), n)
	}
	d := make([]bls.G1Affine, n)
	for i, share := range shares {
		if share == nil || share.Authority != s.Authority {
			return nil, fmt.Errorf("%w: share %d is not of authority %d", ErrShare, i, s.Authority)
		}
		d[i] = share.point
	}
	return d, nil
}

// ShareSet is one keyholder's shares of a list of ciphertexts, in the order of the list.
type ShareSet struct {
	Authority uint8
	Shares    []*DecryptionShare
}

// VerifyShares checks the shares of many keyholders of the same ciphertexts with two Miller loops and one final
// exponentiation, however many there are: with random a_i and b_j, e(Σ a_i·D_i, G2) = e(U, Σ a_i·PK_i), where D_i = Σ b_j·D_ij
// and U = Σ b_j·U_j. If some do not hold the error is a *BadShares that names every keyholder at fault, and nobody else.
func (k *PublicKeys) VerifyShares(vs []*Verified, sets []ShareSet) error {
	u, err := pointsOf(vs)
	if err != nil {
		return fmt.Errorf("verify shares: %w", err)
	}
	b := shareBatch{vs: vs, u: u}
	var faults []ShareFault
	for _, set := range sets {
		owner, err := k.Share(set.Authority)
		if err == nil {
			err = b.add(owner, set.Shares)
		}
		if err != nil {
			faults = append(faults, ShareFault{Authority: set.Authority, Reason: err})
		}
	}
	faults = append(faults, b.verify()...)
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b ShareFault) int { return cmp.Compare(a.Authority, b.Authority) })
		return &BadShares{faults}
	}
	return nil
}

// shareBatch has the parts of the batch equation.
type shareBatch struct {
	vs   []*Verified
	u    []bls.G1Affine
	b    []fr.Element
	sumU bls.G1Affine
	sets []shareSums
}

type shareSums struct {
	owner *PublicShare
	d     []bls.G1Affine
	sum   bls.G1Affine
}

func (b *shareBatch) add(owner *PublicShare, shares []*DecryptionShare) error {
	d, err := owner.collect(len(b.u), shares)
	if err == nil {
		b.sets = append(b.sets, shareSums{owner: owner, d: d})
	}
	return err
}

// verify returns the faults among the sets added.
func (b *shareBatch) verify() []ShareFault {
	if len(b.sets) == 0 || len(b.u) == 0 {
		return nil
	}
	b.b = randomCoefficients(len(b.u))
	b.sumU = sumG1(b.u, b.b)
	parallel(len(b.sets), func(i int) { b.sets[i].sum = sumG1(b.sets[i].d, b.b) })
	if b.holds() {
		return nil
	}
	faults := make([]*ShareFault, len(b.sets))
	parallel(len(b.sets), func(i int) { faults[i] = b.fault(&b.sets[i]) })
	var out []ShareFault
	for _, f := range faults {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out
}

// holds checks all sets at once.
func (b *shareBatch) holds() bool {
	a := randomCoefficients(len(b.sets))
	d := make([]bls.G1Affine, len(b.sets))
	keys := make([]bls.G1Affine, len(b.sets))
	keys2 := make([]bls.G2Affine, len(b.sets))
	for i, set := range b.sets {
		d[i], keys[i], keys2[i] = set.sum, set.owner.g1, set.owner.g2.point
	}
	if len(b.vs) == 1 { // then the formats' form costs less: its sums are both in G1
		v, sum := b.vs[0], sumG1(keys, a)
		sum.Neg(&sum)
		return pairingIsOne([]bls.G1Affine{sumG1(d, a), sum}, []bls.G2Affine{v.h, v.ciphertext.w})
	}
	minusU := b.sumU
	minusU.Neg(&minusU)
	g2 := preparedGenerator().point
	return pairingIsOne([]bls.G1Affine{sumG1(d, a), minusU}, []bls.G2Affine{g2, sumG2(keys2, a)})
}

// fault returns what is wrong with one set, nil if nothing.
func (b *shareBatch) fault(set *shareSums) *ShareFault {
	if set.owner.opens(b.sumU, set.sum) {
		return nil
	}
	bad := findBad(len(set.d), MaxNamedShares, func(from, to int) bool {
		return set.owner.opens(sumG1(b.u[from:to], b.b[from:to]), sumG1(set.d[from:to], b.b[from:to]))
	})
	return &ShareFault{Authority: set.owner.Authority, Indexes: bad}
}
