//go:build cgo

package te

import (
	"bytes"
	"crypto/rand"
	mathrand "math/rand/v2"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/crypto"
	blst "github.com/supranational/blst/bindings/go"
)

// These tests compute the formats' formulas with a second library, which needs a C compiler, and compare.

func blstScalar(k *fr.Element) *blst.Scalar {
	b := k.Bytes()
	return new(blst.Scalar).Deserialize(b[:])
}

func blstG1(t testing.TB, b [G1Size]byte) *blst.P1Affine {
	t.Helper()
	p := new(blst.P1Affine).Uncompress(b[:])
	if p == nil || !p.InG1() {
		t.Fatal("blst refuses a point of G1")
	}
	return p
}

func blstG2(t testing.TB, b [G2Size]byte) *blst.P2Affine {
	t.Helper()
	q := new(blst.P2Affine).Uncompress(b[:])
	if q == nil || !q.InG2() {
		t.Fatal("blst refuses a point of G2")
	}
	return q
}

func blstTimes(p *blst.P1Affine, k *fr.Element) *blst.P1 {
	var j blst.P1
	j.FromAffine(p)
	return j.MultAssign(blstScalar(k))
}

// blstProductIsOne computes e(-p0, q0)·e(p1, q1) = 1.
func blstProductIsOne(p0 *blst.P1Affine, q0 *blst.P2Affine, p1 *blst.P1Affine, q1 *blst.P2Affine) bool {
	return blst.Fp12FinalVerify(blst.Fp12MillerLoop(q0, p0), blst.Fp12MillerLoop(q1, p1))
}

// blstProofBase computes H of a ciphertext from its bytes.
func blstProofBase(c *Ciphertext) *blst.P2Affine {
	u := c.u.Bytes()
	msg := bytes.Join([][]byte{u[:], c.EncryptedKey[:], c.PayloadHash[:]}, nil)
	return blst.HashToG2(msg, []byte("BZTE_BLS12_381_PK:G1_DSH:G1")).ToAffine()
}

func TestAnotherLibraryMakesTheSameCiphertextsAndShares(t *testing.T) {
	keys, secrets := deal(t, 3, 2)
	for range 10 {
		var key [32]byte
		_, _ = rand.Read(key[:])
		scalars := randomScalars(t, 1)
		r := &scalars[0]
		tx := key[:7]
		payload, err := seal(keys.Master(), &key, r, [][]byte{tx})
		noError(t, err)
		c := payload.Ciphertext
		u, w := c.u.Bytes(), c.w.Bytes()

		equal(t, blst.P1Generator().Mult(blstScalar(r)).Compress(), u[:])
		h := blstProofBase(c)
		var proof blst.P2
		proof.FromAffine(h)
		equal(t, proof.MultAssign(blstScalar(r)).Compress(), w[:])
		y := blstTimes(blstG1(t, keys.Master().Bytes()), r).Compress()
		var encrypted [32]byte
		for i, pad := range crypto.Keccak256(y) {
			encrypted[i] = pad ^ key[i]
		}
		equal(t, encrypted, c.EncryptedKey)

		g := blst.P1Generator().ToAffine()
		if !blstProductIsOne(g, blstG2(t, w), blstG1(t, u), h) {
			t.Fatal("blst refuses the proof")
		}
		v, err := c.Verify()
		noError(t, err)
		for _, s := range secrets {
			share, err := s.Share(v)
			noError(t, err)
			k := s.secret().k
			point := share.Point()
			equal(t, blstTimes(blstG1(t, u), &k).Compress(), point[:])
			// The check as the formats write it, with the public key in G1.
			if !blstProductIsOne(blstG1(t, s.Public().G1()), blstG2(t, w), blstG1(t, point), h) {
				t.Fatal("blst refuses the share")
			}
		}
	}
}

func TestAnotherLibraryRefusesTheSameProofsAndShares(t *testing.T) {
	keys, secrets := deal(t, 2, 2)
	cs := ciphertexts(encrypted(t, keys, 2))
	v, err := cs[0].Verify()
	noError(t, err)
	share, err := secrets[0].Share(v)
	noError(t, err)
	h, w := blstProofBase(cs[0]), blstG2(t, cs[0].w.Bytes())
	for _, other := range []*DecryptionShare{share, bend(share), {Authority: 0, point: cs[1].u}} {
		ours := secrets[0].Public().Verify(v, other) == nil
		equal(t, ours, blstProductIsOne(blstG1(t, secrets[0].Public().G1()), w, blstG1(t, other.Point()), h))
	}
	for _, change := range []func(*Ciphertext){
		func(*Ciphertext) {},
		func(c *Ciphertext) { c.PayloadHash[1] ^= 1 },
		func(c *Ciphertext) { c.EncryptedKey[1] ^= 1 },
		func(c *Ciphertext) { c.u = cs[1].u },
		func(c *Ciphertext) { c.w = cs[1].w },
	} {
		c := *cs[0]
		change(&c)
		_, err := c.Verify()
		g := blst.P1Generator().ToAffine()
		theirs := blstProductIsOne(g, blstG2(t, c.w.Bytes()), blstG1(t, c.u.Bytes()), blstProofBase(&c))
		equal(t, err == nil, theirs)
	}
}

func TestAnotherLibraryHashesTheSame(t *testing.T) {
	msg := make([]byte, 300)
	_, _ = rand.Read(msg)
	for _, n := range []int{0, 1, 31, 112, 300} {
		k, err := hashToScalar(msg[:n])
		noError(t, err)
		got := k.Bytes()
		want := blst.HashToScalar(msg[:n], []byte("TEZOS_THRESHOLD_ENCRYPTION_V1_BLS12_381_SCALAR_DST"))
		equal(t, want.Serialize(), got[:])
	}
}

func TestAnotherLibraryMakesTheSameBatchCoefficient(t *testing.T) {
	_, secrets := deal(t, 1, 1)
	public := secrets[0].Public()
	p, _ := randomPoints(t, 4)
	got, err := public.batchHash(p[:2], p[2:])
	noError(t, err)
	g1, g2 := public.G1(), public.G2()
	var b [4][G1Size]byte
	for i := range p {
		b[i] = p[i].Bytes()
	}
	msg := bytes.Join([][]byte{b[0][:], b[1][:], g1[:], b[2][:], b[3][:], g2[:], blst.P1Generator().Compress()}, nil)
	want := blst.HashToScalar(msg, []byte("TEZOS_THRESHOLD_ENCRYPTION_V1_BLS12_381_SCALAR_DST"))
	k := got.Bytes()
	equal(t, want.Serialize(), k[:])
}

// Whether bytes are a point must not depend on the library, or two nodes disagree on whether a bundle is well formed.
func TestAnotherLibraryTakesAndRefusesTheSameEncodings(t *testing.T) {
	p, q := randomPoints(t, 4)
	random := mathrand.New(mathrand.NewPCG(3, 4))
	outside := outsideG1()
	g1s, g2s := [][]byte{outside[:], {0xc0, G1Size - 1: 0}}, [][]byte{{0xc0, G2Size - 1: 0}}
	for i := range p {
		b1, b2 := p[i].Bytes(), q[i].Bytes()
		for range 150 { // half of the changed ones are on the curve, nearly none of these in the group
			g1s = append(g1s, b1[:], flipped(b1[:], random.IntN(8*G1Size)))
			g2s = append(g2s, b2[:], flipped(b2[:], random.IntN(8*G2Size)))
		}
	}
	for _, b := range g1s {
		_, err := decodeG1(b)
		point := new(blst.P1Affine).Uncompress(b)
		equal(t, point != nil && point.KeyValidate(), err == nil)
	}
	for _, b := range g2s {
		_, err := decodeG2(b)
		point := new(blst.P2Affine).Uncompress(b)
		equal(t, point != nil && point.KeyValidate(), err == nil)
	}
}
