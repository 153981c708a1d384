package te

import (
	"bytes"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"testing"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestAnyThresholdOfSharesOpensAndFewerDoNot(t *testing.T) {
	for _, c := range []struct{ n, threshold int }{{1, 1}, {2, 2}, {4, 3}, {7, 5}, {5, 1}, {20, 14}} {
		keys, secrets := deal(t, c.n, c.threshold)
		payload := encrypted(t, keys, 1)[0]
		v, err := payload.Ciphertext.Verify()
		noError(t, err)
		var shares []*DecryptionShare
		for _, s := range secrets {
			share, err := s.Share(v)
			noError(t, err)
			shares = append(shares, share)
		}
		var first *Opening
		for range 8 {
			mathrand.Shuffle(len(shares), func(i, j int) { shares[i], shares[j] = shares[j], shares[i] })
			opening, err := keys.Combine(shares[:c.threshold])
			noError(t, err)
			if first == nil {
				first = opening
			}
			equal(t, first.Bytes(), opening.Bytes())
			noError(t, keys.VerifyOpenings([]*Ciphertext{payload.Ciphertext}, []*Opening{opening}))
			txs, err := payload.Decrypt(opening)
			noError(t, err)
			equal(t, [][]byte{{0x02, 0xc2, 0, 0}}, txs)
		}

		_, err = keys.Combine(shares[:c.threshold-1])
		errorIs(t, err, ErrTooFewShares)
		if c.threshold > 1 { // even for someone who does not check
			careless := *keys
			careless.threshold--
			opening, err := careless.Combine(shares[:c.threshold-1])
			noError(t, err)
			_, err = payload.Decrypt(opening)
			errorIs(t, err, ErrKeyHash)
			errorIs(t, keys.VerifyOpenings([]*Ciphertext{payload.Ciphertext}, []*Opening{opening}), ErrOpening)
		}
	}
}

func TestCombineChecksTheSetOfSharesFirst(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	v, err := encrypted(t, keys, 1)[0].Ciphertext.Verify()
	noError(t, err)
	s := make([]*DecryptionShare, len(secrets))
	for i := range s {
		s[i], err = secrets[i].Share(v)
		noError(t, err)
	}
	stranger := *s[0]
	stranger.Authority = 4
	for _, c := range []struct {
		name   string
		shares []*DecryptionShare
		want   error
	}{
		{"none", nil, ErrTooFewShares},
		{"too few", s[:2], ErrTooFewShares},
		{"one twice", []*DecryptionShare{s[0], s[1], s[0]}, ErrDuplicateShare},
		{"one twice beyond the threshold", []*DecryptionShare{s[0], s[1], s[2], s[2]}, ErrDuplicateShare},
		{"of no keyholder", []*DecryptionShare{s[1], s[2], &stranger}, ErrUnknownAuthority},
		{"missing", []*DecryptionShare{s[1], nil, s[2]}, ErrUnknownAuthority},
		{"enough", s[1:], nil},
		{"more than enough", s, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := keys.Combine(c.shares)
			errorIs(t, err, c.want)
		})
	}
}

func TestAWrongShareIsFoundByEveryCheck(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	vs, err := VerifyCiphertexts(ciphertexts(encrypted(t, keys, 2)))
	noError(t, err)
	good, err := secrets[1].Share(vs[0])
	noError(t, err)
	ofAnother, err := secrets[2].Share(vs[0])
	noError(t, err)
	ofOtherCiphertext, err := secrets[1].Share(vs[1])
	noError(t, err)
	public := secrets[1].Public()
	noError(t, public.Verify(vs[0], good))
	noError(t, public.VerifyBatch(vs[:1], []*DecryptionShare{good}))

	for name, wrong := range map[string]*DecryptionShare{
		"another ciphertext's": ofOtherCiphertext,
		"another keyholder's":  ofAnother,
		"another's as its own": {Authority: 1, point: ofAnother.point},
		"negated":              {Authority: 1, point: *new(bls.G1Affine).Neg(&good.point)},
		"missing":              nil,
	} {
		t.Run(name, func(t *testing.T) {
			errorIs(t, public.Verify(vs[0], wrong), ErrShare)
			errorIs(t, public.VerifyBatch(vs[:1], []*DecryptionShare{wrong}), ErrShare)
			err := keys.VerifyShares(vs[:1], []ShareSet{{1, []*DecryptionShare{wrong}}})
			errorIs(t, err, ErrShare)
		})
	}
}

func TestSharesAreMadeAndCheckedForVerifiedCiphertextsOnly(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	v, err := encrypted(t, keys, 1)[0].Ciphertext.Verify()
	noError(t, err)
	share, err := secrets[0].Share(v)
	noError(t, err)
	for _, unverified := range []*Verified{nil, {}} {
		_, err := secrets[0].Share(unverified)
		errorIs(t, err, ErrCiphertext)
		_, err = secrets[0].Shares([]*Verified{v, unverified})
		errorIs(t, err, ErrCiphertext)
		errorIs(t, secrets[0].Public().Verify(unverified, share), ErrShare)
		both := []*DecryptionShare{share, share}
		errorIs(t, secrets[0].Public().VerifyBatch([]*Verified{v, unverified}, both), ErrCiphertext)
		errorIs(t, keys.VerifyShares([]*Verified{v, unverified}, []ShareSet{{0, both}}), ErrCiphertext)
	}
}

// bend moves a share off its value.
func bend(s *DecryptionShare) *DecryptionShare {
	g := generatorG1()
	return &DecryptionShare{s.Authority, *new(bls.G1Affine).Add(&s.point, &g)}
}

func TestABatchOfSharesAgreesWithSingleChecksAndNamesTheBad(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	for _, n := range []int{1, 2, 5, 33} {
		vs, err := VerifyCiphertexts(ciphertexts(encrypted(t, keys, n)))
		noError(t, err)
		sets := shareSets(t, secrets, vs)
		noError(t, keys.VerifyShares(vs, sets))
		noError(t, keys.VerifyShares(vs, sets[2:3]))
		for _, set := range sets {
			noError(t, secrets[set.Authority].Public().VerifyBatch(vs, set.Shares))
		}

		liar, other := 2, 0
		bad := []int{mathrand.IntN(n)}
		if n > 2 {
			bad = []int{0, n / 2, n - 1}
		}
		for _, i := range bad {
			sets[liar].Shares[i] = bend(sets[liar].Shares[i])
		}
		sets[other].Shares[n-1] = bend(sets[other].Shares[n-1])
		want := []ShareFault{{Authority: 0, Indexes: []int{n - 1}}, {Authority: 2, Indexes: bad}}

		var faults *BadShares
		if err := keys.VerifyShares(vs, sets); !errors.As(err, &faults) {
			t.Fatalf("%d ciphertexts: %v", n, err)
		}
		equal(t, want, faults.Faults)
		if err := secrets[liar].Public().VerifyBatch(vs, sets[liar].Shares); !errors.As(err, &faults) {
			t.Fatalf("%d ciphertexts: %v", n, err)
		}
		equal(t, want[1:], faults.Faults)
		for i, v := range vs {
			single := secrets[liar].Public().Verify(v, sets[liar].Shares[i])
			equal(t, bytes.Contains(asBytes(bad), []byte{byte(i)}), single != nil)
		}
	}
}

func asBytes(indexes []int) []byte {
	out := make([]byte, len(indexes))
	for i, x := range indexes {
		out[i] = byte(x)
	}
	return out
}

func TestErrorsThatCancelInTheSumAreFound(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	payloads := encrypted(t, keys, 2)
	cs := ciphertexts(payloads)
	vs, err := VerifyCiphertexts(cs)
	noError(t, err)
	g1, g2 := generatorG1(), preparedGenerator().point

	sets := shareSets(t, secrets, vs)
	sets[0].Shares[0].point.Add(&sets[0].Shares[0].point, &g1)
	sets[0].Shares[1].point.Sub(&sets[0].Shares[1].point, &g1)
	errorIs(t, keys.VerifyShares(vs, sets), ErrShare)
	errorIs(t, secrets[0].Public().VerifyBatch(vs, sets[0].Shares), ErrShare)

	sets = shareSets(t, secrets, vs)
	sets[0].Shares[1].point.Add(&sets[0].Shares[1].point, &g1)
	sets[3].Shares[1].point.Sub(&sets[3].Shares[1].point, &g1)
	errorIs(t, keys.VerifyShares(vs, sets), ErrShare)

	cs[0].w.Add(&cs[0].w, &g2)
	cs[1].w.Sub(&cs[1].w, &g2)
	_, err = VerifyCiphertexts(cs)
	errorIs(t, err, ErrCiphertext)
}

func TestAKeyholderThatLiesAboutEverythingIsNamedOnceAndCheaply(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	vs, err := VerifyCiphertexts(ciphertexts(encrypted(t, keys, 40)))
	noError(t, err)
	sets := shareSets(t, secrets, vs)
	for i, s := range sets[1].Shares {
		sets[1].Shares[i] = bend(s)
	}
	sets = append(sets, ShareSet{9, sets[0].Shares}, ShareSet{3, sets[3].Shares[1:]}, ShareSet{2, sets[0].Shares})
	var faults *BadShares
	if err := keys.VerifyShares(vs, sets); !errors.As(err, &faults) {
		t.Fatal(err)
	}
	equal(t, 4, len(faults.Faults))
	equal(t, ShareFault{Authority: 1, Indexes: []int{0, 1, 2, 3, 4, 5, 6, 7}}, faults.Faults[0])
	for i, want := range []uint8{2, 3, 9} {
		equal(t, want, faults.Faults[i+1].Authority)
		if faults.Faults[i+1].Reason == nil {
			t.Fatalf("no reason for authority %d", want)
		}
	}
	errorIs(t, faults.Faults[3].Reason, ErrUnknownAuthority)
}

// A batch that does not hold is searched, and the search would hide that the batch was at fault.
func TestABatchOfGoodSharesNeedsNoSearch(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	payloads := encrypted(t, keys, 3)
	single, err := payloads[0].Ciphertext.Verify()
	noError(t, err)
	many, err := VerifyCiphertexts(ciphertexts(payloads))
	noError(t, err)
	for _, vs := range [][]*Verified{{single}, many[:1], many[:2], many} {
		u, err := pointsOf(vs)
		noError(t, err)
		b := shareBatch{vs: vs, u: u}
		for _, set := range shareSets(t, secrets, vs) {
			noError(t, b.add(secrets[set.Authority].Public(), set.Shares))
		}
		equal(t, 0, len(b.verify()))
		if !b.holds() {
			t.Fatalf("a batch of %d ciphertexts does not hold", len(vs))
		}
		b.sets[1].sum.Neg(&b.sets[1].sum)
		if b.holds() {
			t.Fatalf("a bad batch of %d ciphertexts holds", len(vs))
		}
	}
}

func TestNothingToVerifyHolds(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	vs, err := VerifyCiphertexts(nil)
	noError(t, err)
	noError(t, keys.VerifyShares(vs, nil))
	noError(t, keys.VerifyShares(vs, shareSets(t, secrets, vs)))
	noError(t, secrets[0].Public().VerifyBatch(nil, nil))
}

func TestABatchOfCiphertextsAgreesWithSingleChecksAndNamesTheBad(t *testing.T) {
	keys, _ := deal(t, 4, 3)
	for _, n := range []int{1, 2, 9, 70} {
		cs := ciphertexts(encrypted(t, keys, n))
		vs, err := VerifyCiphertexts(cs)
		noError(t, err)
		for i, v := range vs {
			equal(t, cs[i], v.Ciphertext())
		}
		want := []int{n - 1}
		if n > 2 {
			want = []int{1, 2, n / 2, n - 1}
		}
		for _, i := range want {
			cs[i].EncryptedKey[5] ^= 1
		}
		vs, err = VerifyCiphertexts(cs)
		var bad *BadCiphertexts
		if !errors.As(err, &bad) {
			t.Fatal(err)
		}
		equal(t, want, bad.Indexes)
		for i, v := range vs {
			_, single := cs[i].Verify()
			equal(t, single == nil, v != nil)
		}
	}
}

func TestEveryBitOfACiphertextButTheKeyHashIsProven(t *testing.T) {
	keys, secrets := deal(t, 2, 2)
	payload := encrypted(t, keys, 1)[0]
	good := payload.Ciphertext.Encode()
	const keyHash = 2 + 33 + 33 + 1 // after the header, payload hash, encrypted key
	for bit := range len(good) * 8 {
		inKeyHash := bit/8 >= keyHash && bit/8 < keyHash+32
		if bit%7 != 0 && !inKeyHash { // one in seven: each costs a pairing
			continue
		}
		if inKeyHash && bit%64 != 0 {
			continue
		}
		c, err := DecodeCiphertext(flipped(good, bit))
		if err != nil {
			if inKeyHash {
				t.Fatal(err)
			}
			continue
		}
		v, err := c.Verify()
		if !inKeyHash {
			errorIs(t, err, ErrCiphertext)
			continue
		}
		noError(t, err)
		var shares []*DecryptionShare
		for _, s := range secrets {
			share, err := s.Share(v)
			noError(t, err)
			shares = append(shares, share)
		}
		opening, err := keys.Combine(shares)
		noError(t, err)
		_, err = (&Payload{Txs: payload.Txs, Ciphertext: c}).Decrypt(opening)
		errorIs(t, err, ErrKeyHash)
		equal(t, payload.Ciphertext.ID(), c.ID())
	}
}

func TestAHashTheSenderMadeWrongIsNamedByTransaction(t *testing.T) {
	keys, secrets := deal(t, 1, 1)
	key := [32]byte{3}
	r := fr.NewElement(99)
	payload, err := seal(keys.Master(), &key, &r, [][]byte{{0xc1, 1}, {0xc1, 2}, {0xc1, 3}})
	noError(t, err)
	payload.Txs[1].Data[0] ^= 1
	v, err := payload.Ciphertext.Verify()
	noError(t, err)
	share, err := secrets[0].Share(v)
	noError(t, err)
	opening, err := keys.Combine([]*DecryptionShare{share})
	noError(t, err)
	txs, err := payload.Decrypt(opening)
	errorIs(t, err, ErrTxHash)
	equal(t, [][]byte{{0xc1, 1}, nil, {0xc1, 3}}, txs)
}

func TestEncryptionsOfOneTransactionShareNothingButItsHash(t *testing.T) {
	keys, _ := deal(t, 1, 1)
	tx := bytes.Repeat([]byte{7}, 40)
	a, err := Encrypt(rand.Reader, keys.Master(), tx)
	noError(t, err)
	b, err := Encrypt(rand.Reader, keys.Master(), tx)
	noError(t, err)
	equal(t, 1, len(a.Txs))
	equal(t, crypto.Keccak256Hash(tx), a.Txs[0].Hash)
	equal(t, a.Txs[0].Hash, b.Txs[0].Hash)
	if bytes.Equal(a.Txs[0].Data, b.Txs[0].Data) || a.Ciphertext.ID() == b.Ciphertext.ID() {
		t.Fatal("two encryptions are the same")
	}
}

func TestEncryptRefusesWhatItCannotCarry(t *testing.T) {
	keys, _ := deal(t, 1, 1)
	for name, tx := range map[string][]byte{"nothing": nil, "too much": make([]byte, MaxTxBytes+1)} {
		if _, err := Encrypt(rand.Reader, keys.Master(), tx); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	_, err := Encrypt(rand.Reader, MasterPublicKey{}, []byte{1})
	errorIs(t, err, ErrKeys)
	_, err = Encrypt(failing{}, keys.Master(), []byte{1})
	errorIs(t, err, failingError())
	largest, err := Encrypt(rand.Reader, keys.Master(), make([]byte, MaxTxBytes))
	noError(t, err)
	b := &Bundle{Payload: largest, Nonce: ^uint64(0)}
	noError(t, b.Sign(testKey(t, 9)))
	_, err = DecodeBundle(b.Encode())
	noError(t, err)
}
