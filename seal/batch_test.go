package seal

import "testing"

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
