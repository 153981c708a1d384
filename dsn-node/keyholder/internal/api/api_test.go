package api

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"blindseq/dsn-node/keyholder/internal/voter"
	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What follows the first number is adopted up to the first that is refused.
func TestManyNumbersAreAdoptedInOneCall(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	h, err := voter.Open(t.Context(), voter.Options{
		Dir: t.TempDir(), Committee: c.Committee, Key: c.Identities[3], Share: c.Secrets[3], Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	var reports []*keyholderv1.Report
	for i := range 2 {
		r, err := attest.SignReport(c.Committee, c.Identities[i], uint8(i), *h.Status().Challenge, nil)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	if _, err := h.Restore(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	s := New(h)
	var chain []*keyholderv1.Adopted
	var previous common.Hash
	for n := range uint64(8) {
		content := &preblockv1.Content{Number: 1 + n, PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{Seconds: time.Now().Unix()}}
		cert, hash := c.Certify(content, previous)
		chain, previous = append(chain, &keyholderv1.Adopted{Content: content, Certificate: cert}), hash
	}
	adopt := func(first *keyholderv1.Adopted, following ...*keyholderv1.Adopted) (uint64, error) {
		answer, err := s.Adopt(t.Context(), &keyholderv1.AdoptRequest{Adopted: first, Following: following})
		return answer.GetLastNumber(), err
	}
	for _, one := range []struct {
		name      string
		all       []*keyholderv1.Adopted
		last, has uint64
		err       error
	}{
		{"the first three", chain[:3], 3, 3, nil},
		{"a gap", []*keyholderv1.Adopted{chain[3], chain[5], chain[4]}, 4, 4, nil},
		{"a gap at once", chain[6:], 0, 4, vote.ErrNotHeld},
		{"the last again, and the rest", chain[3:], 8, 8, nil},
		{"too many", append([]*keyholderv1.Adopted{chain[0]}, make([]*keyholderv1.Adopted, maxFollowing+1)...), 0, 8, errTooMany},
	} {
		last, err := adopt(one.all[0], one.all[1:]...)
		if last != one.last || !errors.Is(err, one.err) || h.Status().Last != one.has {
			t.Errorf("%s: adopted up to %d, %v; it has %d", one.name, last, err, h.Status().Last)
		}
	}
}
