package seal

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzParse(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Cases[:3] {
		f.Add([]byte(c.Sealed))
	}
	for _, c := range v.Refused[16:33] {
		f.Add([]byte(c.Sealed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		header, headerErr := ParseHeader(b)
		if err != nil {
			if headerErr == nil || headerErr.Error() != err.Error() {
				t.Fatalf("refused with %v, its header with %v", err, headerErr)
			}
			if s != nil || !onlyReason(err, "type") && !onlyReason(err, "encoding") && !onlyReason(err, "size") {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if headerErr != nil || header != s.Header {
			t.Fatalf("the header is %+v, alone %+v, %v", s.Header, header, headerErr)
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatalf("%x is read, and written as %x", b, s.Encode())
		}
	})
}

// FuzzCheck changes a good transaction's fields behind its header; nothing but the signature may matter not.
func FuzzCheck(f *testing.F) {
	w := newWorld(f, 1, 1)
	s := w.seal(f, []byte("a transaction"))
	bound := len(s.Encode()) - SignatureSize - 2
	f.Add(uint16(40), []byte{1})
	f.Add(uint16(bound-1), []byte{0x80})
	f.Fuzz(func(t *testing.T, at uint16, xor []byte) {
		b := s.Encode()
		for i, x := range xor {
			b[(int(at)+i)%bound] ^= x
		}
		changed := !bytes.Equal(b, s.Encode())
		read, err := Parse(b)
		if err != nil {
			return
		}
		if _, err := w.ring.Check(read); (err == nil) == changed {
			t.Fatalf("changed: %v, checked: %v", changed, err)
		}
		if _, errs := w.ring.CheckBatch([]*Sealed{s, read}); errs[0] != nil || (errs[1] == nil) == changed {
			t.Fatalf("changed: %v, checked in a batch: %v", changed, errs)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(uint64(0), []byte{}, []byte{}, uint64(0), uint64(127), uint64(128), uint64(1<<64-1))
	f.Add(uint64(1337), []byte{1}, []byte{2}, uint64(255), uint64(256), uint64(1<<56), uint64(1<<56-1))
	f.Fuzz(func(t *testing.T, chain uint64, key, submitter []byte, seq, gas, fee, expiry uint64) {
		h := Header{ChainID: chain, Seq: seq, Gas: gas, Fee: fee, Expiry: expiry}
		copy(h.Key[:], key)
		copy(h.Submitter[:], submitter)
		s := &Sealed{Header: h, payload: make([]byte, minClass+payloadOverhead)}
		read, err := Parse(s.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if read.Header != h || !bytes.Equal(read.header, h.encode()) {
			t.Fatalf("%+v is read as %+v", h, read.Header)
		}
	})
}

func FuzzPoint(f *testing.F) {
	for _, c := range readVectors(f).Cases {
		f.Add([]byte(c.PublicKey))
		f.Add([]byte(c.Seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePoint(b)
		if err != nil {
			if !errors.Is(err, ErrPoint) {
				t.Fatal(err)
			}
			return
		}
		if again := encodePoint(p); !bytes.Equal(again[:], b) || isIdentity(p) {
			t.Fatalf("%x is read as %x", b, again)
		}
	})
}

func FuzzShareProof(f *testing.F) {
	w := newWorld(f, 4, 3)
	c := w.check(f, w.seal(f, []byte("tx")))
	share, proof, err := w.secrets[1].ShareWithProof(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(1), share.Point[:], proof[:])
	f.Add(uint8(2), share.Point[:], proof[:])
	f.Add(uint8(200), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, authority uint8, point, raw []byte) {
		got := Share{Authority: authority}
		var gotProof ShareProof
		copy(got.Point[:], point)
		copy(gotProof[:], raw)
		err := w.keys.VerifyShare(c, got, &gotProof)
		if err == nil && got != share { // the proof may be another one
			t.Fatalf("a wrong share is proven: %v", got)
		}
		if err != nil && !errors.Is(err, ErrShare) && !errors.Is(err, ErrUnknownAuthority) {
			t.Fatal(err)
		}
		if _, err := w.keys.Combine([]Share{got, got, got}); err == nil {
			t.Fatal("one share three times is combined")
		}
	})
}

func FuzzOpening(f *testing.F) {
	w := newWorld(f, 1, 1)
	seed, tx := NewSeed(), []byte("a transaction")
	c := w.check(f, w.sealWith(f, seed, tx))
	f.Add(seed[:], tx)
	f.Add(seed[:], append(bytes.Clone(tx), 0))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, s, b []byte) {
		o := Opening{Tx: b}
		copy(o.Seed[:], s)
		err := c.Verify(o)
		if right := o.Seed == seed && bytes.Equal(b, tx); (err == nil) != right {
			t.Fatalf("right: %v, verified: %v", right, err)
		}
	})
}

func FuzzUnpad(f *testing.F) {
	for _, n := range []int{1, 252, 253, 508, 40000} {
		p, err := pad(nil, make([]byte, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if !isSizeClass(len(p)) {
			return // Parse has refused it
		}
		tx, err := unpad(p)
		if err != nil {
			if !onlyReason(err, "padding") {
				t.Fatal(err)
			}
			return
		}
		if again, err := pad(nil, tx); err != nil || !bytes.Equal(again, p) {
			t.Fatalf("%x is padding of %x: %v", p, tx, err)
		}
	})
}
