package dealer

import (
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"blindseq/seal/te"
)

func TestDealtKeysOpenWhatIsEncryptedForThem(t *testing.T) {
	keys, secrets, err := Deal(rand.Reader, 7, 5)
	if err != nil {
		t.Fatal(err)
	}
	tx := []byte{0x02, 0xc0}
	payload, err := te.Encrypt(rand.Reader, keys.Master(), tx)
	if err != nil {
		t.Fatal(err)
	}
	v, err := payload.Ciphertext.Verify()
	if err != nil {
		t.Fatal(err)
	}
	var shares []*te.DecryptionShare
	for _, s := range secrets[2:] {
		share, err := s.Share(v)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	opening, err := keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	txs, err := payload.Decrypt(opening)
	if err != nil || len(txs) != 1 || string(txs[0]) != string(tx) {
		t.Fatalf("%x, %v", txs, err)
	}
}

func TestSharesAreValuesOfThePolynomial(t *testing.T) {
	polynomial := []fr.Element{fr.NewElement(42), fr.NewElement(3), fr.NewElement(5)}
	_, secrets, err := fromPolynomial(polynomial, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []byte{50, 68, 96, 134} {
		b, err := secrets[i].AppendSecret(nil)
		if err != nil || b[te.ScalarSize-1] != want || b[0] != 0 {
			t.Fatalf("share %d is %x, %v", i, b, err)
		}
	}
}

func TestDealingFailsWithoutAThresholdOrRandomness(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {3, 0}, {3, 4}, {256, 3}, {3, -1}} {
		if _, _, err := Deal(rand.Reader, c[0], c[1]); err == nil {
			t.Fatalf("dealt %d of %d", c[1], c[0])
		}
	}
	if _, _, err := Deal(io.LimitReader(rand.Reader, 100), 4, 3); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
}
