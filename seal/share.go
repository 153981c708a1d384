package seal

import (
	"crypto/rand"
	"fmt"

	"github.com/gtank/ristretto255"
)

// Share is a keyholder's part in opening one transaction: D_i = x_i·u.
type Share struct {
	Authority uint8
	Point     Point
}

// ShareProofSize is the length of A ‖ B ‖ f.
const ShareProofSize = 96

// ShareProof proves that a share and a keyholder's public key are multiples by the same secret.
type ShareProof [ShareProofSize]byte

// Share makes the keyholder's share of a transaction, in time that does not depend on the secret. Whether it may be given
// away is the caller's to know.
func (s Secret) Share(c *Checked) (Share, error) {
	share := Share{Authority: s.authority}
	err := s.use(func(x *scalar) {
		share.Point = encodePoint(new(element).ScalarMult(x, c.u))
	})
	if err != nil {
		return Share{}, fmt.Errorf("make share of %v: %w", c.id, err)
	}
	return share, nil
}

// ShareWithProof makes the share and its proof, in time that does not depend on the secret.
func (s Secret) ShareWithProof(c *Checked) (Share, ShareProof, error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // crypto/rand does not fail
	defer clear(random[:])
	return s.shareWithProof(c, &random)
}

func (s Secret) shareWithProof(c *Checked, random *[32]byte) (share Share, proof ShareProof, err error) {
	if share, err = s.Share(c); err != nil {
		return Share{}, proof, err
	}
	err = s.use(func(x *scalar) {
		secret := x.Bytes()
		defer clear(secret)
		k := hashScalar("k", secret, c.id[:], c.sealed.u[:], random[:])
		a, b := encodePoint(new(element).ScalarBaseMult(k)), encodePoint(new(element).ScalarMult(k, c.u))
		copy(proof[:], a[:])
		copy(proof[32:], b[:])
		copy(proof[64:], response(k, x, shareChallenge(c, &share, &s.public, &proof)).Bytes())
		k.Zero()
	})
	if err != nil {
		return Share{}, ShareProof{}, fmt.Errorf("prove share of %v: %w", c.id, err)
	}
	return share, proof, nil
}

// shareChallenge is e = H("share", id, u8(i), Y_i, u, D_i, A, B).
func shareChallenge(c *Checked, share *Share, public *Point, proof *ShareProof) *scalar {
	return hashScalar("share", c.id[:], []byte{share.Authority}, public[:], c.sealed.u[:], share.Point[:], proof[:32], proof[32:64])
}

// VerifyShare checks a share by its proof: f·G = A + e·Y_i and f·u = B + e·D_i. A failure convicts the keyholder if it
// signed the message that brought them.
func (k *Keys) VerifyShare(c *Checked, share Share, proof *ShareProof) error {
	if err := k.verifyShare(c, share, proof); err != nil {
		return fmt.Errorf("verify share %d of %v: %w", share.Authority, c.id, err)
	}
	return nil
}

func (k *Keys) verifyShare(c *Checked, share Share, proof *ShareProof) error {
	public, err := k.Share(share.Authority)
	if err != nil {
		return err
	}
	if c.key.point != k.point {
		return fmt.Errorf("%w: the transaction is sealed to another key", ErrKey)
	}
	var points [3]*element
	for i, raw := range [...][]byte{share.Point[:], proof[:32], proof[32:64]} {
		if points[i], err = decodePoint(raw); err != nil {
			return fmt.Errorf("%w: %w", ErrShare, err)
		}
	}
	f, err := decodeScalar(proof[64:])
	if err != nil || scalarIsZero(f) {
		return fmt.Errorf("%w: f out of range", ErrShare)
	}
	d, a, b := points[0], points[1], points[2]
	minusE := ristretto255.NewScalar().Negate(shareChallenge(c, &share, &public, proof))
	first := new(element).VarTimeDoubleScalarBaseMult(minusE, k.shares[share.Authority], f)
	second := multiScalar([]*scalar{f, minusE}, []*element{c.u, d})
	if first.Equal(a) != 1 || second.Equal(b) != 1 {
		return ErrShare
	}
	return nil
}
