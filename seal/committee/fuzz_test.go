package committee_test

import (
	"encoding/json"
	"errors"
	"testing"

	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
)

// FuzzUnmarshal changes a committee's file. What is read is a committee that can work, and is written as it was read.
func FuzzUnmarshal(f *testing.F) {
	file, err := json.Marshal(committeetest.New(f, 4, 3, 1).Committee)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(0), uint32(len(file)), []byte(`{"members":[]}`))
	f.Add(uint32(12), uint32(4), []byte("18446744073709551615"))
	f.Fuzz(func(t *testing.T, at, cut uint32, others []byte) {
		read := new(committee.Committee)
		if err := json.Unmarshal(committeetest.Splice(file, at, cut, others), read); err != nil {
			if syntax := new(json.SyntaxError); !errors.Is(err, committee.ErrInvalid) && !errors.As(err, &syntax) {
				t.Fatal(err)
			}
			return
		}
		if f := read.Size() - read.Quorum(); read.Keys.Threshold() <= f || read.Keys.Threshold() > read.Quorum() {
			t.Fatalf("threshold %d of %d", read.Keys.Threshold(), read.Size())
		}
		text, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		again := new(committee.Committee)
		if err := json.Unmarshal(text, again); err != nil || again.Hash() != read.Hash() {
			t.Fatalf("read again: %v", err)
		}
	})
}
