package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// vectors.json was made by an independent implementation in another language.
type vectors struct {
	SecondGenerator hexBytes      `json:"second_generator"`
	Cases           []vectorCase  `json:"cases"`
	Refused         []refusedCase `json:"refused"`
	Unopenable      []refusedCase `json:"unopenable"`
}

type committeeVector struct {
	ChainID      number     `json:"chain_id"`
	Threshold    int        `json:"threshold"`
	SecretShares []hexBytes `json:"secret_shares"`
	PublicKey    hexBytes   `json:"public_key"`
}

type vectorCase struct {
	committeeVector
	Keyholders   int                 `json:"keyholders"`
	PublicShares []hexBytes          `json:"public_shares"`
	KeyID        hexBytes            `json:"key_id"`
	SubmitterKey hexBytes            `json:"submitter_key"`
	Submitter    hexBytes            `json:"submitter"`
	Seq          number              `json:"seq"`
	Gas          number              `json:"gas"`
	Fee          number              `json:"fee"`
	Expiry       number              `json:"expiry"`
	Seed         hexBytes            `json:"seed"`
	Tx           hexBytes            `json:"tx"`
	Sealed       hexBytes            `json:"sealed"`
	ID           hexBytes            `json:"id"`
	Shares       map[string]hexBytes `json:"shares"`
	Combined     hexBytes            `json:"combined"`
	ShareProof   struct {
		Authority uint8    `json:"authority"`
		Random    hexBytes `json:"random"`
		K         hexBytes `json:"k"`
		Proof     hexBytes `json:"proof"`
	} `json:"share_proof"`
}

type refusedCase struct {
	committeeVector
	What   string   `json:"what"`
	Sealed hexBytes `json:"sealed"`
	ID     hexBytes `json:"id"`
	Reason string   `json:"reason"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// number is decimal in a string, or a number.
type number uint64

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(string(bytes.Trim(b, `"`)), 10, 64)
	*n = number(v)
	return err
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields() // a value that is not read is a value that is not compared
	if err := decoder.Decode(v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (c *vectorCase) keys(t testing.TB) (*Keys, []*Secret) {
	t.Helper()
	var points []Point
	for _, p := range c.PublicShares {
		points = append(points, Point(p))
	}
	keys, err := NewKeys(uint64(c.ChainID), c.Threshold, Point(c.PublicKey), points)
	if err != nil {
		t.Fatal(err)
	}
	return keys, secretsOf(t, c.SecretShares)
}

func secretsOf(t testing.TB, raw []hexBytes) []*Secret {
	t.Helper()
	var out []*Secret
	for i, b := range raw {
		s, err := NewSecret(uint8(i), b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%x, want\n%x", what, got, want)
	}
}

func TestVectorsOfTheSecondGenerator(t *testing.T) {
	p := encodePoint(secondGenerator())
	equal(t, "the second generator", p[:], readVectors(t).SecondGenerator)
}

func TestVectorsOfKeys(t *testing.T) {
	for i, c := range readVectors(t).Cases {
		keys, secrets := c.keys(t)
		id := keys.ID()
		equal(t, fmt.Sprint("key id ", i), id[:], c.KeyID)
		if keys.Keyholders() != c.Keyholders || len(secrets) != c.Keyholders {
			t.Errorf("case %d has %d keyholders, want %d", i, keys.Keyholders(), c.Keyholders)
		}
		for a, s := range secrets {
			p := s.Public()
			equal(t, fmt.Sprint("public share ", i, a), p[:], c.PublicShares[a])
			if err := s.BelongsTo(keys); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestVectorsOfSealing(t *testing.T) {
	for i, c := range readVectors(t).Cases {
		keys, _ := c.keys(t)
		signer, err := crypto.ToECDSA(c.SubmitterKey)
		if err != nil {
			t.Fatal(err)
		}
		header := Header{keys.ChainID(), keys.ID(), crypto.PubkeyToAddress(signer.PublicKey), uint64(c.Seq), uint64(c.Gas), uint64(c.Fee), uint64(c.Expiry)}
		equal(t, "submitter", header.Submitter[:], c.Submitter)
		s, err := Seal(keys.Key, header, Seed(c.Seed), c.Tx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Sign(signer); err != nil {
			t.Fatal(err)
		}
		id := s.ID()
		equal(t, fmt.Sprint("id ", i), id[:], c.ID)
		equal(t, fmt.Sprint("sealed ", i), s.Encode(), c.Sealed)
		parsed, err := Parse(c.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Header != header || parsed.ID() != id {
			t.Errorf("case %d is read as %+v", i, parsed.Header)
		}
		equal(t, "what was read", parsed.Encode(), c.Sealed)
	}
}

func checkedVector(t testing.TB, key *Key, raw []byte) *Checked {
	t.Helper()
	s, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ringOf(t, key).Check(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ringOf(t testing.TB, key *Key) *Ring {
	t.Helper()
	ring, err := NewRing(key.ChainID(), key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestVectorsOfOpening(t *testing.T) {
	for i, c := range readVectors(t).Cases {
		keys, secrets := c.keys(t)
		checked := checkedVector(t, keys.Key, c.Sealed)
		var shares []Share
		for _, name := range slices.Sorted(maps.Keys(c.Shares)) {
			authority, err := strconv.Atoi(name)
			if err != nil {
				t.Fatal(err)
			}
			share, err := secrets[authority].Share(checked)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, fmt.Sprint("share ", i, name), share.Point[:], c.Shares[name])
			shares = append(shares, share)
		}
		z, err := keys.Combine(shares)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("combined ", i), z[:], c.Combined)
		o, err := checked.Open(z)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "seed", o.Seed[:], c.Seed)
		equal(t, "transaction", o.Tx, c.Tx)
		if err := checked.Verify(o); err != nil {
			t.Error(err)
		}
	}
}

func TestVectorsOfShareProofs(t *testing.T) {
	for i, c := range readVectors(t).Cases {
		keys, secrets := c.keys(t)
		checked := checkedVector(t, keys.Key, c.Sealed)
		p := c.ShareProof
		random := [32]byte(p.Random)
		k := hashScalar("k", c.SecretShares[p.Authority], checked.id[:], checked.sealed.u[:], random[:])
		equal(t, fmt.Sprint("k ", i), k.Bytes(), p.K)
		share, proof, err := secrets[p.Authority].shareWithProof(checked, &random)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("share proof ", i), proof[:], p.Proof)
		if err := keys.VerifyShare(checked, share, &proof); err != nil {
			t.Error(err)
		}
	}
}

var reasons = map[string]error{
	"type": ErrType, "encoding": ErrEncoding, "size": ErrSize, "chain": ErrChain, "key": ErrKey, "point": ErrPoint,
	"proof": ErrProof, "signature": ErrSignature, "payload": ErrPayload, "padding": ErrPadding, "seed": ErrSeed,
}

// onlyReason says whether an error has this reason and none of the others.
func onlyReason(err error, want string) bool {
	for name, reason := range reasons {
		if errors.Is(err, reason) != (name == want) {
			return false
		}
	}
	return true
}

func TestVectorsOfRefusals(t *testing.T) {
	for i, c := range readVectors(t).Refused {
		t.Run(fmt.Sprintf("%02d %s", i, c.What), func(t *testing.T) {
			key, err := NewKey(uint64(c.ChainID), Point(c.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			ring := ringOf(t, key)
			s, err := Parse(c.Sealed)
			if err == nil {
				_, errs := ring.CheckBatch([]*Sealed{s, s})
				if !onlyReason(errs[0], c.Reason) || !onlyReason(errs[1], c.Reason) {
					t.Errorf("in a batch refused with %v, want %s", errs, c.Reason)
				}
				_, err = ring.Check(s)
			}
			if !onlyReason(err, c.Reason) {
				t.Errorf("refused with %v, want %s", err, c.Reason)
			}
		})
	}
}

func TestVectorsOfUnopenable(t *testing.T) {
	for i, c := range readVectors(t).Unopenable {
		t.Run(fmt.Sprintf("%02d %s", i, c.What), func(t *testing.T) {
			secrets := secretsOf(t, c.SecretShares)
			var points []Point
			for _, s := range secrets {
				points = append(points, s.Public())
			}
			keys, err := NewKeys(uint64(c.ChainID), c.Threshold, Point(c.PublicKey), points)
			if err != nil {
				t.Fatal(err)
			}
			checked := checkedVector(t, keys.Key, c.Sealed)
			equal(t, "id", checked.id[:], c.ID)
			for from := range secrets { // every outcome is the same, whoever opens
				z := combineFrom(t, keys, secrets, checked, from)
				if _, err := checked.Open(z); !onlyReason(err, c.Reason) {
					t.Errorf("opens with %v, want %s", err, c.Reason)
				}
			}
		})
	}
}

// combineFrom combines the shares of threshold authorities, the first of which is from.
func combineFrom(t testing.TB, keys *Keys, secrets []*Secret, c *Checked, from int) Point {
	t.Helper()
	var shares []Share
	for i := range keys.Threshold() {
		s, err := secrets[(from+i)%len(secrets)].Share(c)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	z, err := keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	return z
}
