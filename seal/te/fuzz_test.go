package te

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Each target checks that a decoder does not panic, and that what it takes it would have written itself: there is one
// encoding of a value.

// canonical runs a decoder on what the fuzzer finds, beginning with good.
func canonical[T any](f *testing.F, decode func([]byte) (T, error), encode func(T) []byte, good ...[]byte) {
	f.Helper()
	for _, b := range good {
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(flipped(b, len(b)*4))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err == nil && !bytes.Equal(b, encode(v)) {
			t.Fatalf("%x is also written %x", b, encode(v))
		}
	})
}

func FuzzDecodeBundle(f *testing.F) {
	signed := testBundle(f)
	unsigned := *signed
	unsigned.Signature = nil
	check := func(b []byte) (*Bundle, error) {
		bundle, err := DecodeBundle(b)
		if err == nil {
			_, _ = bundle.Signer()
		}
		return bundle, err
	}
	canonical(f, check, (*Bundle).Encode, signed.Encode(), unsigned.Encode())
}

func FuzzDecodePayload(f *testing.F) {
	canonical(f, DecodePayload, (*Payload).Encode, vectorPayload(f).Encode())
}

func FuzzDecodeCiphertext(f *testing.F) {
	canonical(f, DecodeCiphertext, (*Ciphertext).Encode, vectorPayload(f).Ciphertext.Encode())
}

func FuzzDecodeDecryptionShare(f *testing.F) {
	v := readVectors(f)
	high := &wireShare{Authority: 200, Point: [G1Size]byte(v.U)}
	canonical(f, DecodeDecryptionShare, (*DecryptionShare).Encode, v.Shares[0].RLP, v.Shares[1].RLP, encode(high))
}

func FuzzDecodeOpening(f *testing.F) {
	encode := func(o *Opening) []byte {
		b := o.Bytes()
		return b[:]
	}
	outside := outsideG1()
	canonical(f, DecodeOpening, encode, readVectors(f).Y, outside[:])
}

func FuzzDecodeCertificate(f *testing.F) {
	committee := testCommittee(f, 4)
	check := func(b []byte) (*Certificate, error) {
		c, err := DecodeCertificate(b)
		if err == nil {
			_ = c.Verify(committee)
		}
		return c, err
	}
	canonical(f, check, (*Certificate).Encode, certified(f, 1, 2, 3).Encode(), Genesis().Encode())
}

func FuzzDecodeCommittee(f *testing.F) {
	canonical(f, DecodeCommittee, (*Committee).Encode, testCommittee(f, 3).Encode())
}

func FuzzDelimited(f *testing.F) {
	f.Add([]byte{0x02, 0xc1, 0x01}, []byte{0xc0})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		// The concatenation of two items is no item, nor is a proper beginning of one.
		if Delimited(a) && Delimited(b) && Delimited(append(bytes.Clone(a), b...)) {
			t.Fatalf("%x and %x together are one item", a, b)
		}
	})
}

func FuzzPublicKeysJSON(f *testing.F) {
	keys, _ := vectorKeys(f)
	good, err := json.Marshal(keys)
	noError(f, err)
	f.Add(good)
	f.Add([]byte(`{"threshold":1,"master":"0x","shares":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := new(PublicKeys)
		if json.Unmarshal(b, read) != nil {
			return
		}
		again, err := json.Marshal(read)
		noError(t, err)
		noError(t, json.Unmarshal(again, new(PublicKeys)))
	})
}
