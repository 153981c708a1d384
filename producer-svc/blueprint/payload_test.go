package blueprint

import (
	"bytes"
	"slices"
	"testing"

	"blindseq/kit/content"
)

// order is what a rollup executes: delayed transactions before all others, but each whose hash stands among them at its place.
func order(b Blueprint) (hashes []content.Hash) {
	placed := map[content.Hash]bool{}
	for _, raw := range b.Transactions {
		if len(raw) == len(content.Hash{}) {
			placed[content.Hash(raw)] = true
		}
	}
	for _, hash := range b.Delayed {
		if !placed[hash] {
			hashes = append(hashes, hash)
		}
	}
	for _, raw := range b.Transactions {
		if len(raw) == len(content.Hash{}) {
			hashes = append(hashes, content.Hash(raw))
			continue
		}
		hashes = append(hashes, content.Keccak(raw))
	}
	return hashes
}

func TestAPublishedBlueprintHasTheOrderOfExecution(t *testing.T) {
	plain := func(n byte) Executed { return Executed{Raw: bytes.Repeat([]byte{n}, 100)} }
	delayed := func(n byte) Executed { return Executed{Raw: bytes.Repeat([]byte{n}, 100), Delayed: true} }
	for name, executed := range map[string][]Executed{
		"nothing":        nil,
		"plain":          {plain(1), plain(2)},
		"delayed first":  {delayed(1), delayed(2), plain(3), plain(4)},
		"delayed alone":  {delayed(1), delayed(2)},
		"sealed first":   {plain(1), delayed(2), delayed(3), plain(4)},
		"one that waits": {delayed(1), plain(2), delayed(3), plain(4), delayed(5)},
	} {
		b := OfExecuted(content.Hash{9}, 7, executed)
		var want []content.Hash
		for _, one := range executed {
			want = append(want, content.Keccak(one.Raw))
		}
		if got := order(b); !slices.Equal(got, want) {
			t.Errorf("%s: a rollup executes %x, the block executed %x", name, got, want)
		}
		if b.ParentHash != (content.Hash{9}) || b.Timestamp != 7 {
			t.Errorf("%s: %+v", name, b)
		}
	}
	// A block without sealed transactions has the bytes of the format's origin.
	b := OfExecuted(content.Hash{}, 0, []Executed{delayed(1), plain(2)})
	if len(b.Delayed) != 1 || len(b.Transactions) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestWhatThePayloadTakesCanBePublishedAndNoByteMore(t *testing.T) {
	var p Payload
	var executed []Executed
	take := func(one Executed) bool {
		if !p.Add(one) {
			return false
		}
		executed = append(executed, one)
		return true
	}
	for i := range 8 {
		if !take(Executed{Raw: bytes.Repeat([]byte{byte(i)}, 60_000)}) || !take(Executed{Raw: bytes.Repeat([]byte{byte(i)}, 100_000), Delayed: true}) {
			t.Fatal("no room")
		}
	}
	size := 60_000
	for ; !take(Executed{Raw: bytes.Repeat([]byte{1}, size)}); size-- {
	}
	raw, err := OfExecuted(content.Hash{}, 0, executed).Encode()
	if err != nil || len(raw) != MaxBytes {
		t.Errorf("%d bytes, %v; want %d", len(raw), err, MaxBytes)
	}
	if take(Executed{Raw: []byte{1}}) || take(Executed{Raw: []byte{1}, Delayed: true}) {
		t.Error("a byte more was taken")
	}
}

func TestDelayedTransactionsOfABlockAreBounded(t *testing.T) {
	var p Payload
	large := Executed{Raw: make([]byte, 128<<10), Delayed: true}
	n := 0
	for p.Add(large) {
		n++
	}
	if n != maxDelayedBytes/len(large.Raw) {
		t.Errorf("%d were taken", n)
	}
}
