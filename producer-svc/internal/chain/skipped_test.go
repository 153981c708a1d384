package chain

import (
	"log/slog"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// oldRecord and oldSkipped are what v0.1.0 stored.
type (
	oldRecord struct {
		Input   common.Hash
		Skipped []oldSkipped
		Delayed []common.Hash
		Carried [][]byte
	}
	oldSkipped struct {
		Hash   common.Hash
		Reason string
	}
)

const tooHigh = "nonce too high: address 0x0000000000000000000000000000000000000001, tx: 7 state: 3"

func decodeRecord(t *testing.T, stored any) (rec record) {
	t.Helper()
	raw, err := rlp.EncodeToBytes(stored)
	if err != nil {
		t.Fatal(err)
	}
	if err := rlp.DecodeBytes(raw, &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestARecordOfTheFirstReleaseSaysByItsReasonsWhatWasEarly(t *testing.T) {
	rec := decodeRecord(t, &oldRecord{Input: common.Hash{1}, Skipped: []oldSkipped{
		{common.Hash{2}, tooHigh}, {common.Hash{3}, "nonce too low: next nonce 3"}, {common.Hash{4}, "it says nonce too high"},
	}, Carried: [][]byte{{5}}})
	for i, want := range []bool{true, false, false} {
		if got := rec.Skipped[i]; got.Early != want || got.Hash != (common.Hash{byte(i + 2)}) || got.Reason == "" {
			t.Errorf("got %+v, want early %v", got, want)
		}
	}
	if rec.Input != (common.Hash{1}) || len(rec.Carried) != 1 {
		t.Errorf("got %+v", rec)
	}
}

// TestARecordSaysWhatWasEarlyWhateverItsReasons: only the absence of the field is answered by the reason.
func TestARecordSaysWhatWasEarlyWhateverItsReasons(t *testing.T) {
	for _, one := range []Skipped{
		{common.Hash{1}, tooHigh, true}, {common.Hash{2}, tooHigh, false}, {common.Hash{3}, "a later wording", true}, {common.Hash{4}, "", false},
	} {
		if got := decodeRecord(t, &record{Skipped: []Skipped{one}}).Skipped; len(got) != 1 || got[0] != one {
			t.Errorf("stored %+v, read %+v", one, got)
		}
	}
}

// TestARepeatOfABlockOfTheFirstReleaseTakesItsEarlyOnes: v0.1.0 was killed between applying the block and keeping them, and
// what was opened from a bundle cannot be sent as a bundle again.
func TestARepeatOfABlockOfTheFirstReleaseTakesItsEarlyOnes(t *testing.T) {
	c, err := Open(Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, genesis, at := c.Head()
	b := Block{Number: 1, ParentHash: genesis, Timestamp: at + 1}
	if _, err := c.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	raw, err := rlp.EncodeToBytes(&oldRecord{Input: digest(b, nil), Skipped: []oldSkipped{{common.Hash{2}, tooHigh}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.eth.ChainDb().Put(recordKey(1), raw); err != nil {
		t.Fatal(err)
	}
	result, err := c.Apply(t.Context(), b)
	if err != nil || len(result.Skipped) != 1 || !result.Skipped[0].Early {
		t.Errorf("got %+v, %v", result, err)
	}
}
