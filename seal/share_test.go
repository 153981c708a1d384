package seal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestAShareIsProven(t *testing.T) {
	w := newWorld(t, 4, 3)
	c := w.check(t, w.seal(t, []byte("tx")))
	for _, s := range w.secrets {
		share, proof, err := s.ShareWithProof(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.keys.VerifyShare(c, share, &proof); err != nil {
			t.Error(err)
		}
		if bare, err := s.Share(c); err != nil || bare != share {
			t.Errorf("the bare share differs: %v", err)
		}
	}
}

func TestWrongShareProofsAreRefused(t *testing.T) {
	w, foreign := newWorld(t, 4, 3), newWorld(t, 4, 3)
	c, other := w.check(t, w.seal(t, []byte("tx"))), w.check(t, w.seal(t, []byte("another")))
	share, proof, err := w.secrets[1].ShareWithProof(c)
	if err != nil {
		t.Fatal(err)
	}
	ofOther, proofOfOther, err := w.secrets[1].ShareWithProof(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]struct {
		keys  *Keys
		c     *Checked
		share Share
		proof ShareProof
		want  error
	}{
		"of another transaction":       {w.keys, c, ofOther, proofOfOther, ErrShare},
		"for another transaction":      {w.keys, other, share, proof, ErrShare},
		"proof of another transaction": {w.keys, c, share, proofOfOther, ErrShare},
		"share of another":             {w.keys, c, Share{1, ofOther.Point}, proof, ErrShare},
		"another authority":            {w.keys, c, Share{2, share.Point}, proof, ErrShare},
		"unknown authority":            {w.keys, c, Share{4, share.Point}, proof, ErrUnknownAuthority},
		"another committee":            {foreign.keys, c, share, proof, ErrKey},
		"no proof":                     {w.keys, c, share, ShareProof{}, ErrShare},
		"no share":                     {w.keys, c, Share{Authority: 1}, proof, ErrShare},
	} {
		if err := a.keys.VerifyShare(a.c, a.share, &a.proof); !errors.Is(err, a.want) {
			t.Errorf("%s: %v, want %v", name, err, a.want)
		}
	}
	for i := range ShareProofSize * 8 {
		wrong := proof
		wrong[i/8] ^= 1 << (i % 8)
		if err := w.keys.VerifyShare(c, share, &wrong); !errors.Is(err, ErrShare) {
			t.Fatalf("bit %d of the proof does not matter: %v", i, err)
		}
	}
	unreduced := proof
	f := littleEndian(new(big.Int).Add(bigInt(proof[64:]), groupOrder()))
	copy(unreduced[64:], f[:])
	if err := w.keys.VerifyShare(c, share, &unreduced); !errors.Is(err, ErrShare) {
		t.Errorf("an f that is not reduced: %v", err)
	}
}

// A keyholder proves a share it made of another point than the transaction's u.
func TestAShareOfAnotherPointIsNotProven(t *testing.T) {
	w := newWorld(t, 4, 3)
	c := w.check(t, w.seal(t, []byte("tx")))
	liar := *c
	liar.u = new(element).ScalarBaseMult(randomScalar())
	for _, raw := range []Point{c.sealed.u, encodePoint(liar.u)} { // what it hashes is right, or fits its lie
		s := *c.sealed
		s.u = raw
		liar.sealed = &s
		share, proof, err := w.secrets[0].ShareWithProof(&liar)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.keys.VerifyShare(c, share, &proof); !errors.Is(err, ErrShare) {
			t.Errorf("a share of another point is proven: %v", err)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	w := newWorld(t, 1, 1)
	s := w.secrets[0]
	raw, err := s.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	nested := struct{ inner any }{struct{ s *Secret }{s}}
	asJSON, err := json.Marshal(map[string]any{"secret": s})
	if err != nil {
		t.Fatal(err)
	}
	limbs := fmt.Sprint(*mustScalar(t, raw))
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %x %d", s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", *s, *s, *s),
		fmt.Sprintf("%v %+v %#v %x", nested, nested, nested, nested), string(asJSON), s.LogValue().String(),
	} {
		if strings.Contains(text, fmt.Sprintf("%x", raw)) || strings.Contains(text, strings.Trim(limbs, "{}[]&")) {
			t.Errorf("a secret is printed: %s", text)
		}
	}
}

func mustScalar(t testing.TB, raw []byte) *scalar {
	t.Helper()
	s, err := decodeScalar(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnErasedSecretDoesNothing(t *testing.T) {
	w := newWorld(t, 1, 1)
	c := w.check(t, w.seal(t, []byte("tx")))
	s := w.secrets[0]
	s.Erase()
	s.Erase()
	_, err := s.Share(c)
	_, _, errProof := s.ShareWithProof(c)
	_, errAppend := s.Append(nil)
	for _, err := range []error{err, errProof, errAppend} {
		if !errors.Is(err, ErrErased) {
			t.Errorf("%v, want %v", err, ErrErased)
		}
	}
}

func TestSecretsAreDecodedStrictly(t *testing.T) {
	w := newWorld(t, 4, 3)
	raw, err := w.secrets[1].Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewSecret(1, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.BelongsTo(w.keys); err != nil {
		t.Error(err)
	}
	swapped, err := NewSecret(2, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := swapped.BelongsTo(w.keys); !errors.Is(err, ErrSecret) {
		t.Errorf("the secret of another authority: %v", err)
	}
	for name, b := range map[string][]byte{"zero": make([]byte, 32), "short": raw[:31], "long": append(raw, 0), "none": nil} {
		if _, err := NewSecret(0, b); !errors.Is(err, ErrSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSecret(255, raw[:32]); !errors.Is(err, ErrSecret) {
		t.Errorf("authority 255: %v", err)
	}
}
