package seal

import (
	"bytes"
	"errors"
	"testing"
)

// Batches of random sizes with random bad ones in them: each bad one is named, and nothing else, as Check does it alone.
func TestBatchesNameExactlyTheBadOnes(t *testing.T) {
	w, r := newWorld(t, 4, 3), newRand(t)
	good := make([]*Sealed, 120)
	for i := range good {
		good[i] = w.seal(t, []byte{byte(i)})
	}
	for range 25 {
		txs := append([]*Sealed(nil), good[:r.IntN(len(good)+1)]...)
		bad := make(map[int]bool)
		for k := r.IntN(6) * r.IntN(6); len(txs) > 0 && k > 0; k-- {
			i := r.IntN(len(txs))
			bad[i] = true
			wrong := *good[i]
			wrong.f = good[(i+1)%len(good)].f
			txs[i] = &wrong
		}
		checked, errs := w.ring.CheckBatch(txs)
		for i, err := range errs {
			if bad[i] && !onlyReason(err, "proof") || !bad[i] && err != nil || bad[i] == (checked[i] != nil) {
				t.Fatalf("%d of %d, bad %v: %v", i, len(txs), bad, err)
			}
		}
	}
}

func TestAnEmptyBatch(t *testing.T) {
	if checked, errs := newWorld(t, 1, 1).ring.CheckBatch(nil); len(checked) != 0 || len(errs) != 0 {
		t.Error("an empty batch has results")
	}
}

// The batches of keyholders, sequencer and monitors do what the single calls do.
func TestBatchesOfSharesAndOpenings(t *testing.T) {
	w := newWorld(t, 4, 3)
	var txs []*Sealed
	for i := range 20 {
		txs = append(txs, w.seal(t, []byte{byte(i)}))
	}
	txs[7] = w.sealRandom(t, []byte{7}, true, false)
	checked, errs := w.ring.CheckBatch(txs)
	if err := firstError(errs); err != nil {
		t.Fatal(err)
	}
	shares := make([][]Share, len(txs))
	for _, s := range w.secrets[1:] {
		made, err := s.Shares(checked)
		if err != nil {
			t.Fatal(err)
		}
		for i := range made {
			shares[i] = append(shares[i], made[i])
		}
	}
	shares[11] = shares[11][:2]
	openings, errs := w.keys.OpenBatch(checked, shares)
	verified := VerifyBatch(checked, openings)
	for i := range txs {
		switch {
		case i == 7 && onlyReason(errs[i], "seed") && errors.Is(verified[i], ErrOpening):
		case i == 11 && errors.Is(errs[i], ErrTooFewShares) && errors.Is(verified[i], ErrOpening):
		case i != 7 && i != 11 && errs[i] == nil && verified[i] == nil && bytes.Equal(openings[i].Tx, []byte{byte(i)}):
		default:
			t.Errorf("%d: opens %v, verified %v", i, errs[i], verified[i])
		}
	}
	w.secrets[0].Erase()
	if _, err := w.secrets[0].Shares(checked); !errors.Is(err, ErrErased) {
		t.Errorf("an erased secret: %v", err)
	}
}
