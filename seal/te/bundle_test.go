package te

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

func testBundle(t testing.TB) *Bundle {
	t.Helper()
	b := &Bundle{Payload: vectorPayload(t), Nonce: 1}
	noError(t, b.Sign(testKey(t, 0x11)))
	return b
}

func TestDecodersRefuseWhatIsNotCanonical(t *testing.T) {
	good := testBundle(t)
	remade := func(change func(*wireBundle)) []byte {
		wire := wireBundle{Payload: good.Payload.wire(), Nonce: good.Nonce, Signature: []Signature{*good.Signature}}
		wire.Payload.Txs = append([]EncryptedTx{}, wire.Payload.Txs...)
		change(&wire)
		return append([]byte{BundleType}, encode(&wire)...)
	}
	raw := good.Encode()
	many := make([]EncryptedTx, MaxPayloadTxs+1)
	for i := range many {
		many[i].Data = []byte{1}
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"as made", raw, nil},
		{"nothing", nil, ErrMalformed},
		{"only the type", raw[:1], ErrMalformed},
		{"another type", append([]byte{0x02}, raw[1:]...), ErrMalformed},
		{"trailing byte", append(bytes.Clone(raw), 0), ErrMalformed},
		{"cut short", raw[:len(raw)-1], ErrMalformed},
		{"over the limit", append(bytes.Clone(raw), make([]byte, MaxBundleBytes)...), ErrTooLarge},
		{"nonce with a leading zero", bytes.Replace(raw, []byte{0x01, 0xf8, 0x43}, []byte{0x00, 0xf8, 0x43}, 1), ErrMalformed},
		{"two signatures", remade(func(w *wireBundle) { w.Signature = append(w.Signature, w.Signature[0]) }), ErrMalformed},
		{"no transactions", remade(func(w *wireBundle) { w.Payload.Txs = nil }), ErrMalformed},
		{"too many transactions", remade(func(w *wireBundle) { w.Payload.Txs = many }), ErrTooLarge},
		{"an empty transaction", remade(func(w *wireBundle) { w.Payload.Txs[1].Data = nil }), ErrMalformed},
		{"another transaction hash", remade(func(w *wireBundle) { w.Payload.Txs[1].Hash[0] ^= 1 }), ErrPayloadHash},
		{"transactions swapped", remade(func(w *wireBundle) {
			w.Payload.Txs[0], w.Payload.Txs[1] = w.Payload.Txs[1], w.Payload.Txs[0]
		}), ErrPayloadHash},
		{"U off the curve", remade(func(w *wireBundle) { w.Payload.Ciphertext.U[47] ^= 2 }), ErrPoint},
		{"U the identity", remade(func(w *wireBundle) { w.Payload.Ciphertext.U = [G1Size]byte{0: 0xc0} }), ErrPoint},
		{"U not compressed", remade(func(w *wireBundle) { w.Payload.Ciphertext.U[0] &^= 0x80 }), ErrPoint},
		{"U over the modulus", remade(func(w *wireBundle) {
			w.Payload.Ciphertext.U = [G1Size]byte(bytes.Repeat([]byte{0x9f}, G1Size))
		}), ErrPoint},
		{"W the identity", remade(func(w *wireBundle) { w.Payload.Ciphertext.W = [G2Size]byte{0: 0xc0} }), ErrPoint},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeBundle(c.raw)
			errorIs(t, err, c.want)
		})
	}
	_, err := DecodePayload(append(good.Payload.Encode(), 0))
	errorIs(t, err, ErrMalformed)
	_, err = DecodePayload(make([]byte, MaxBundleBytes+1))
	errorIs(t, err, ErrTooLarge)
	_, err = DecodeCiphertext(append(good.Payload.Ciphertext.Encode(), 0))
	errorIs(t, err, ErrMalformed)
	_, err = DecodeDecryptionShare(make([]byte, maxShareSize+1))
	errorIs(t, err, ErrTooLarge)
	_, err = DecodeDecryptionShare([]byte{0xc2, 0x80, 0x80})
	errorIs(t, err, ErrMalformed)
	_, err = DecodeOpening(make([]byte, G1Size-1))
	errorIs(t, err, ErrMalformed)
}

// outsideG1 is on the curve and has three as its order: x = 0, y = 2.
func outsideG1() [G1Size]byte { return [G1Size]byte{0: 0x80} }

func TestPointsOutsideTheGroupAreRefused(t *testing.T) {
	p := outsideG1()
	_, err := DecodeOpening(p[:])
	errorIs(t, err, ErrPoint)
	_, err = ParseMasterPublicKey(p[:])
	errorIs(t, err, ErrPoint)
	_, err = DecodeDecryptionShare(encode(&wireShare{200, p}))
	errorIs(t, err, ErrPoint)
}

func TestBundlesDecodedTogetherAreThoseDecodedOneByOne(t *testing.T) {
	good, other := testBundle(t), testBundle(t)
	bad := good.Encode()
	bad[len(bad)-1]++
	raws := [][]byte{good.Encode(), {BundleType, 1}, other.Encode(), nil, bad[:len(bad)-1]}
	bundles, errs := DecodeBundles(raws)
	for i, raw := range raws {
		want, err := DecodeBundle(raw)
		if (err == nil) != (errs[i] == nil) || err != nil && err.Error() != errs[i].Error() {
			t.Fatalf("bundle %d: %v, want %v", i, errs[i], err)
		}
		if want != nil && bundles[i].Hash() != want.Hash() || want == nil && bundles[i] != nil {
			t.Fatalf("bundle %d is another one", i)
		}
	}
}

func TestTheIDOfRawBundlesIsThatOfTheirCiphertext(t *testing.T) {
	bundle := testBundle(t)
	id, err := CiphertextIDOf(bundle.Encode())
	noError(t, err)
	equal(t, bundle.Payload.Ciphertext.ID(), id)
	_, err = CiphertextIDOf(append(bundle.Encode(), 0))
	errorIs(t, err, ErrMalformed)
}

func TestUnsignedBundles(t *testing.T) {
	b := testBundle(t)
	b.Signature = nil
	read, err := DecodeBundle(b.Encode())
	noError(t, err)
	_, err = read.Signer()
	errorIs(t, err, ErrUnsigned)
	equal(t, b, read)
}

func TestABundlesSignatureCoversPayloadAndNonce(t *testing.T) {
	b := testBundle(t)
	signer, err := b.Signer()
	noError(t, err)
	equal(t, crypto.PubkeyToAddress(testKey(t, 0x11).PublicKey), signer)
	b.Nonce++
	other, err := b.Signer()
	if err == nil && other == signer {
		t.Fatal("the nonce is not signed")
	}
	b.Nonce--
	b.Payload.Txs[0].Data[3] ^= 1
	other, err = b.Signer()
	if err == nil && other == signer {
		t.Fatal("the encrypted bytes are not signed")
	}
}

func TestSignaturesOutOfRangeAreRefused(t *testing.T) {
	b := testBundle(t)
	digest := b.signingHash()
	order := crypto.S256().Params().N
	s := new(big.Int).SetBytes(b.Signature[33:])
	high := *b.Signature // the same signature, for who does not ask for a low s
	high[0] ^= 1
	new(big.Int).Sub(order, s).FillBytes(high[33:])
	v27 := *b.Signature
	v27[0] += 27
	zeroR := *b.Signature
	clear(zeroR[1:33])
	bigR := *b.Signature
	order.FillBytes(bigR[1:33])
	for name, bad := range map[string]Signature{"high s": high, "v of 27": v27, "r of 0": zeroR, "r over the order": bigR, "zero": {}} {
		if _, err := bad.Recover(digest); err == nil {
			t.Fatalf("a signature with %s was taken", name)
		} else {
			errorIs(t, err, ErrSignature)
		}
	}
}

func TestListsAreDelimitedByTheirItems(t *testing.T) {
	item, err := rlp.EncodeToBytes([]string{"a", "b"})
	noError(t, err)
	typed := append([]byte{0x02}, item...)
	for _, good := range [][]byte{item, typed, testBundle(t).Encode(), {0xc0}} {
		if !Delimited(good) {
			t.Fatalf("%x is delimited", good)
		}
	}
	for _, bad := range [][]byte{
		nil, {0x02}, {0x01, 0x02}, {0x80}, {0xc1}, append(typed, 0), append(item, item...), typed[:len(typed)-1],
		append([]byte{0x02}, typed...), {0x83, 'd', 'o', 'g'},
	} {
		if Delimited(bad) {
			t.Fatalf("%x is not delimited", bad)
		}
	}
}

func TestIDsTellWhatTheSameSharesOpen(t *testing.T) {
	a := vectorPayload(t).Ciphertext
	b := *a
	b.KeyHash[0] ^= 1
	equal(t, a.ID(), b.ID())
	if a.ID() == (common.Hash{}) {
		t.Fatal("no ID")
	}
}
