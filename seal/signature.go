package seal

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fp"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/ethereum/go-ethereum/crypto"
)

// knownSubmitters is how many submitters' public keys a ring remembers, at 64 bytes each and as much for the table.
const knownSubmitters = 8192

// signatureSumFrom is from how many signatures on their sum costs less than recovering each signer. Measured: 32 signatures of
// 16 submitters cost the same, 128 of 32 and 750 of 187 about half.
const signatureSumFrom = 32

// submitters is the public keys of addresses whose signature was recovered before. It may be used by many at the same time.
type submitters struct {
	keys *lru.Cache[common.Address, *secp256k1.G1Affine]
}

func newSubmitters() submitters {
	return submitters{lru.NewCache[common.Address, *secp256k1.G1Affine](knownSubmitters)}
}

// verifySignature checks that the submitter signed the id, with a low s and v of 0 or 1: the one form that nobody but the
// submitter can vary. It remembers the submitter's key.
func (k submitters) verifySignature(s *Sealed) error {
	if err := s.signatureInRange(); err != nil {
		return err
	}
	digest := s.Digest()
	signer, err := crypto.Ecrecover(digest[:], s.signature[:]) // 0x04 ‖ x ‖ y
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if address := common.BytesToAddress(crypto.Keccak256(signer[1:])[12:]); address != s.Submitter {
		return fmt.Errorf("%w: of %v, not of submitter %v", ErrSignature, address, s.Submitter)
	}
	if !k.keys.Contains(s.Submitter) {
		q := new(secp256k1.G1Affine)
		q.X.SetBytes(signer[1:33])
		q.Y.SetBytes(signer[33:])
		k.keys.Add(s.Submitter, q)
	}
	return nil
}

func (s *Sealed) signatureInRange() error {
	r, v := new(big.Int).SetBytes(s.signature[:32]), s.signature[64]
	if !crypto.ValidateSignatureValues(v, r, new(big.Int).SetBytes(s.signature[32:64]), true) {
		return fmt.Errorf("%w: r, s or v out of range", ErrSignature)
	}
	return nil
}

// verifySignatures sets the error of each one at these indexes that its submitter did not sign, as verifySignature would.
//
// A submitter's key Q is known once a signature (r, s, v) of it was recovered. Then the signature of digest z holds when
// R = (z/s)·G + (r/s)·Q, where R is the point with the abscissa r and the parity v. These equations of all are summed, each
// multiplied by its own random coefficient of 128 bits. The curve has a prime order, so a sum with a wrong equation in it is
// the identity with a probability of 2^-128. When the sum fails, each signer is recovered: a bad one costs its batch the sum, which is
// less than half of recovering all.
func (k submitters) verifySignatures(all []*Sealed, indexes []int, errs []error) {
	var unknown []int
	sum := &signatureSum{keys: make(map[common.Address]*secp256k1.G1Affine)}
	for _, i := range indexes {
		if key, known := k.keys.Get(all[i].Submitter); known && all[i].signatureInRange() == nil {
			sum.add(all[i], key)
		} else {
			unknown = append(unknown, i)
		}
	}
	if !sum.pays() || !sum.isZero() {
		unknown = indexes
	}
	parallel(len(unknown), func(n int) { errs[unknown[n]] = k.verifySignature(all[unknown[n]]) })
}

// signatureSum is the equations of signatures whose submitters' keys are known.
type signatureSum struct {
	of   []*Sealed
	keys map[common.Address]*secp256k1.G1Affine
}

func (u *signatureSum) add(s *Sealed, key *secp256k1.G1Affine) {
	u.of = append(u.of, s)
	u.keys[s.Submitter] = key
}

// pays says whether the sum costs less than recovering: each submitter's key is multiplied by twice as many bits as a point R.
func (u *signatureSum) pays() bool {
	return len(u.of) >= signatureSumFrom && len(u.of) >= 2*len(u.keys)
}

// isZero says whether Σ a·(R - (z/s)·G - (r/s)·Q) is the identity, with coefficients a drawn now.
func (u *signatureSum) isZero() bool {
	points, scalars := make([]secp256k1.G1Affine, len(u.of)), make([]fr.Element, len(u.of))
	inverses, lifted := make([]fr.Element, len(u.of)), make([]bool, len(u.of))
	parallel(len(u.of), func(i int) {
		lifted[i] = u.of[i].lift(&points[i])
		scalars[i] = randomSignatureCoefficient()
		inverses[i].SetBytes(u.of[i].signature[32:64])
	})
	if slices.Contains(lifted, false) {
		return false
	}
	onG, onKeys := u.onKeys(scalars, fr.BatchInvert(inverses))
	_, g := secp256k1.Generators()
	points, scalars = append(points, g), append(scalars, onG)
	for submitter, onKey := range onKeys {
		points, scalars = append(points, *u.keys[submitter]), append(scalars, *onKey)
	}
	var sum secp256k1.G1Jac
	_, err := sum.MultiExp(points, scalars, ecc.MultiExpConfig{NbTasks: 1})
	return err == nil && sum.Z.IsZero()
}

// onKeys returns -Σ a·z/s, and of each submitter -Σ a·r/s, for these coefficients a and inverses of s.
func (u *signatureSum) onKeys(coefficients, inverses []fr.Element) (onG fr.Element, onKeys map[common.Address]*fr.Element) {
	onKeys = make(map[common.Address]*fr.Element, len(u.keys))
	for submitter := range u.keys {
		onKeys[submitter] = new(fr.Element)
	}
	var quotient, z, r fr.Element // a/s and what it is multiplied by
	for i, s := range u.of {
		digest := s.Digest()
		quotient.Mul(&coefficients[i], &inverses[i])
		onG.Sub(&onG, z.Mul(z.SetBytes(digest[:]), &quotient))
		onKeys[s.Submitter].Sub(onKeys[s.Submitter], r.Mul(r.SetBytes(s.signature[:32]), &quotient))
	}
	return onG, onKeys
}

// lift sets p to the point R of the signature: that with the abscissa r, and an ordinate of parity v. It is false when there
// is none.
func (s *Sealed) lift(p *secp256k1.G1Affine) bool {
	if p.X.SetBytesCanonical(s.signature[:32]) != nil {
		return false
	}
	var square, b fp.Element
	b.SetUint64(7) // y² = x³ + 7
	square.Square(&p.X).Mul(&square, &p.X).Add(&square, &b)
	if p.Y.Sqrt(&square) == nil {
		return false
	}
	if odd := p.Y.Bits()[0] & 1; odd != uint64(s.signature[64]) {
		p.Y.Neg(&p.Y)
	}
	return true
}

// randomSignatureCoefficient is a nonzero number of 128 bits.
func randomSignatureCoefficient() (a fr.Element) {
	var b [16]byte
	for isZero(b[:]) {
		_, _ = rand.Read(b[:]) // crypto/rand does not fail
	}
	a.SetBytes(b[:])
	return a
}
