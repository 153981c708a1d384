package logrecord

import (
	"testing"

	"blindseq/kit/content"
	"blindseq/seal/committee/committeetest"

	"google.golang.org/protobuf/proto"
)

var on = Parent{Hash: content.Hash{7}, Time: 1_800_000_000}

func TestACertifiedContentIsRecordedOnItsParentAndItsClaimsAreKept(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	for name, x := range map[string]struct {
		parent  content.Hash
		time    int64
		baseFee uint64
		sealed  bool
		want    []False
	}{
		"nothing wrong":    {on.Hash, on.Time, 9, true, nil},
		"a later time":     {on.Hash, on.Time + 5, 9, true, nil},
		"parent":           {content.Hash{8}, on.Time, 9, true, []False{{ClaimParent, "0x08" + zeros(31), "0x07" + zeros(31)}}},
		"timestamp":        {on.Hash, on.Time - 1, 9, true, []False{{ClaimTimestamp, "1799999999", "1800000000"}}},
		"base fee too low": {on.Hash, on.Time, 8, true, []False{{ClaimBaseFee, "8", "9"}}},
		"too high":         {on.Hash, on.Time, 10, true, []False{{ClaimBaseFee, "10", "9"}}},
		"nothing sealed":   {on.Hash, on.Time, 8, false, nil},
	} {
		p := preblockOf(c, []byte("plain"))
		if x.sealed {
			p = preblockOf(c, c.Sealed([]byte("one")))
		}
		p.Content.PreviousBlockHash, p.Content.Timestamp.Seconds, p.Content.BaseFee = x.parent[:], x.time, x.baseFee
		before := proto.CloneOf(p)
		rec, err := Of(p, on, nil)
		if err != nil || content.Hash(rec.GetParentHash()) != on.Hash || rec.GetTimestamp().GetSeconds() != max(x.time, on.Time) || rec.GetBaseFee() != x.baseFee {
			t.Errorf("%s: recorded %v, %v", name, rec, err)
		}
		got := FalseClaims(rec, 9)
		if len(got) != len(x.want) || len(got) == 1 && got[0] != x.want[0] {
			t.Errorf("%s: got %v, want %v", name, got, x.want)
		}
		if !proto.Equal(p, before) {
			t.Errorf("%s: the preblock was changed", name)
		}
	}
}

// Without keyholders nothing shows that a content is final, so a wrong parent is refused, and no record may hide it.
func TestAnUncertifiedContentIsRecordedAsItIs(t *testing.T) {
	p := preblockOf(committeetest.New(t, 4, 3, 1), []byte("plain"))
	p.Certificate = nil
	rec, err := Of(p, on, nil)
	if err != nil || content.Hash(rec.GetParentHash()) != (content.Hash{}) || rec.GetTimestamp().GetSeconds() != 1_700_000_000 || rec.GetNamedParentHash() != nil {
		t.Errorf("recorded %v, %v", rec, err)
	}
}

func zeros(n int) (s string) {
	for range n {
		s += "00"
	}
	return s
}
