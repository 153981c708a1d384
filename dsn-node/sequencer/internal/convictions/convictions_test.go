package convictions

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func equivocation(t *testing.T, c *committeetest.Committee, number uint64) *keyholderv1.Evidence {
	t.Helper()
	var signed [2]*keyholderv1.Attested
	for i := range signed {
		p := &preblockv1.Content{Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(int64(i), 0))}
		var err error
		if signed[i], err = attest.StatementOf(c.Committee, p, common.Hash{}).Sign(c.Identities[0], 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.Equivocation(c.Committee, signed[0], signed[1])
}

func TestEvidenceIsKeptOnceAndWithinBounds(t *testing.T) {
	c, dir := committeetest.New(t, 4, 3, 1), t.TempDir()
	book, err := Open(dir, c.Committee, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // before and after it was closed
		for n := uint64(1); n <= MaxPerKind+5; n++ {
			for range 2 {
				if err := book.Add(t.Context(), equivocation(t, c, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := book.Add(t.Context(), &keyholderv1.Evidence{}); !errors.Is(err, evidence.ErrNoProof) {
			t.Fatalf("no proof: %v", err)
		}
		all, err := book.All()
		if err != nil || len(all) != MaxPerKind || evidence.Verify(c.Committee, all[3]) != nil {
			t.Fatalf("%d records, %v", len(all), err)
		}
		if err := book.Close(); err != nil {
			t.Fatal(err)
		}
		if book, err = Open(dir, c.Committee, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
}
