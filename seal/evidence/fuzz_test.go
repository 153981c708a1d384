package evidence_test

import (
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// FuzzVerify changes evidence against one keyholder, who alone signed something wrong. Nobody else is ever convicted.
func FuzzVerify(f *testing.F) {
	c := committeetest.New(f, 4, 3, 1)
	var signed []*keyholderv1.Attested
	for i := range byte(2) {
		s := attest.Statement{ChainID: c.ChainID, Committee: c.Hash(), Number: 7, Content: common.Hash{i}}
		one, err := s.Sign(c.Identities[2], 2, 0)
		if err != nil {
			f.Fatal(err)
		}
		signed = append(signed, one)
	}
	raw, err := proto.Marshal(evidence.Equivocation(c.Committee, signed[0], signed[1]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(35), uint32(1), []byte{1})
	f.Fuzz(func(t *testing.T, at, cut uint32, others []byte) {
		e := new(keyholderv1.Evidence)
		if proto.Unmarshal(committeetest.Splice(raw, at, cut, others), e) != nil {
			return
		}
		if evidence.Verify(c.Committee, e) == nil && (e.GetAuthority() != 2 || e.GetNumber() != 7) {
			t.Fatalf("authority %d is convicted, of number %d", e.GetAuthority(), e.GetNumber())
		}
	})
}
