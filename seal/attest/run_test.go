package attest_test

import (
	"errors"
	"testing"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

func TestARunIsFinalByItsLastCertificate(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	var run []*preblockv1.Preblock
	var want []common.Hash
	previous := common.Hash{}
	for n := range uint64(5) {
		p, hash := c.Preblock(contentOf(n+1), previous)
		run, want, previous = append(run, p), append(want, hash), hash
	}
	got, err := attest.VerifyRun(c.Committee, run)
	if err != nil || len(got) != len(want) || got[0] != want[0] || got[4] != want[4] {
		t.Fatalf("got %v, %v", got, err)
	}
	for name, change := range map[string]func([]*preblockv1.Preblock) []*preblockv1.Preblock{
		"content in the middle": func(r []*preblockv1.Preblock) []*preblockv1.Preblock { r[2].Content.Transactions[0][0]++; return r },
		"content and its hash":  func(r []*preblockv1.Preblock) []*preblockv1.Preblock { return recertified(r, 2) },
		"one left out":          func(r []*preblockv1.Preblock) []*preblockv1.Preblock { return append(r[:2], r[3:]...) },
		"another order":         func(r []*preblockv1.Preblock) []*preblockv1.Preblock { r[1], r[2] = r[2], r[1]; return r },
		"no certificate":        func(r []*preblockv1.Preblock) []*preblockv1.Preblock { r[1].Certificate = nil; return r },
		"no locks at the end":   func(r []*preblockv1.Preblock) []*preblockv1.Preblock { r[4].Certificate.Locks = nil; return r },
		"a signature at the end": func(r []*preblockv1.Preblock) []*preblockv1.Preblock {
			r[4].Certificate.Locks[0].Signature[9] ^= 1
			return r
		},
		"first with a predecessor": func(r []*preblockv1.Preblock) []*preblockv1.Preblock {
			r[0].Certificate.PreviousPayloadHash[0]++
			return r
		},
		"a predecessor in a middle": func(r []*preblockv1.Preblock) []*preblockv1.Preblock {
			r[3].Certificate.PreviousPayloadHash[0]++
			return r
		},
	} {
		if _, err := attest.VerifyRun(c.Committee, change(cloned(run))); !errors.Is(err, attest.ErrCertificate) && !errors.Is(err, attest.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unsigned := cloned(run)
	unsigned[2].Certificate.Attestations, unsigned[2].Certificate.Locks = nil, nil
	if _, err := attest.VerifyRun(c.Committee, unsigned); err != nil {
		t.Errorf("a certificate that a later one makes up for: %v", err)
	}
}

func cloned(run []*preblockv1.Preblock) (out []*preblockv1.Preblock) {
	for _, p := range run {
		out = append(out, proto.CloneOf(p))
	}
	return out
}

// recertified has another content, and a certificate that says so.
func recertified(run []*preblockv1.Preblock, at int) []*preblockv1.Preblock {
	run[at].Content.Transactions[0][0]++
	hash := content.HashOf(run[at].GetContent())
	run[at].ContentHash, run[at].Certificate.ContentHash = hash[:], hash[:]
	return run
}
