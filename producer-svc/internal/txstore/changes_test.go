package txstore

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func txOf(i int) Tx {
	raw := fmt.Appendf(nil, "transaction %d", i)
	return Tx{Hash: HashOf(raw), Raw: raw}
}

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestChangesComeInOrderInBoundedGroupsAndWithoutWhatIsInABlock(t *testing.T) {
	s := openStore(t)
	var want []common.Hash
	for i := range 30 {
		tx := txOf(i)
		var err error
		switch i % 3 {
		case 0:
			err = s.Add([]Tx{tx})
		case 1:
			err = s.AddSealed([]Tx{tx})
		case 2:
			_, _, err = s.AddDelayed(tx.Raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i != 3 && i != 6 {
			want = append(want, tx.Hash)
		}
	}
	if err := s.Remove([]common.Hash{txOf(3).Hash}); err != nil {
		t.Fatal(err)
	}
	if err := s.End([]Ending{{Hash: txOf(6).Hash, Kind: Dropped, Reason: "why"}, {Hash: txOf(99).Hash, Kind: Skipped, Number: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Note([]Ending{{Hash: txOf(9).Hash, Kind: Dropped, Reason: "not yet"}}); err != nil {
		t.Fatal(err)
	}
	var got []common.Hash
	ended := 0
	for position, all := uint64(0), false; !all; {
		changes, upTo, last, err := s.After(position, 4, 1<<20)
		if err != nil || len(changes) > 4 || upTo < position {
			t.Fatalf("%d changes from %d to %d, %v", len(changes), position, upTo, err)
		}
		for _, one := range changes {
			if one.Kind == ChangeEnded {
				if ended++; one.Hash != txOf(6).Hash || one.Reason != "why" {
					t.Errorf("ended: %+v", one)
				}
				continue
			}
			got = append(got, HashOf(one.Raw))
		}
		position, all = upTo, last
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || ended != 1 {
		t.Errorf("got %d of %d in another order or number, %d ended", len(got), len(want), ended)
	}
	if one, _, all, err := s.After(0, 100, 1); err != nil || len(one) != 1 || all {
		t.Errorf("over the size: %d changes, all %v, %v", len(one), all, err)
	}
}

func TestNothingIsAcknowledgedThatIsNotConfirmed(t *testing.T) {
	s := openStore(t)
	missing := errors.New("no standby")
	var asked []uint64
	s.ConfirmWith(func(position uint64) error {
		if asked = append(asked, position); len(asked) == 1 {
			return missing
		}
		return nil
	})
	if err := s.Add([]Tx{txOf(1), txOf(2)}); !errors.Is(err, missing) {
		t.Fatalf("got %v", err)
	}
	if err := s.Keep([]Change{{Kind: ChangeTransaction, Raw: txOf(3).Raw}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Add([]Tx{txOf(2)}); err != nil { // sent again
		t.Fatal(err)
	}
	if fmt.Sprint(asked) != "[2 2]" || s.Count() != 3 {
		t.Errorf("confirmed positions %v, %d stored", asked, s.Count())
	}
}

func TestWhatIsKeptSurvivesAndEndsAsItsOwnerSays(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := []Change{
		{Kind: ChangeTransaction, Raw: txOf(1).Raw}, {Kind: ChangeTransaction, Raw: txOf(2).Raw},
		{Kind: ChangeSealed, Raw: txOf(3).Raw}, {Kind: ChangeDelayed, Raw: txOf(4).Raw},
	}
	for range 2 { // as after a reconnect
		if err := s.Keep(kept); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Keep([]Change{{Kind: ChangeEnded, Hash: txOf(2).Hash, Reason: "replaced"}, {Kind: ChangeEnded, Hash: txOf(9).Hash}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if all := s.Hashes(); len(all) != 3 || !all[txOf(1).Hash] || !all[txOf(3).Hash] || !all[txOf(4).Hash] {
		t.Errorf("%d kept", len(all))
	}
	if one, known, err := s.Ending(txOf(2).Hash); err != nil || !known || one.Reason != "replaced" {
		t.Errorf("the end: %+v, %v, %v", one, known, err)
	}
	if _, known, _ := s.Ending(txOf(9).Hash); known {
		t.Error("an end of what was never kept is recorded")
	}
}

func TestASealedTransactionIsNamedByItsIDAndEndsAsOthersDo(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raw := c.Sealed([]byte("inside"))
	id := common.Hash(c.Checked(raw).Sealed().ID())
	if HashOf(raw) != id || HashOf(raw[:9]) != crypto.Keccak256Hash(raw[:9]) || HashOf([]byte{1}) != crypto.Keccak256Hash([]byte{1}) {
		t.Error("the wrong names")
	}
	s := openStore(t)
	if err := s.Keep([]Change{{Kind: ChangeSealed, Raw: raw}}); err != nil || !s.Hashes()[id] {
		t.Fatalf("kept %v, %v", s.Hashes(), err)
	}
	signed := append([]byte(nil), raw...)
	signed[len(signed)-1] ^= 1 // another signature
	if err := s.AddSealed([]Tx{{Hash: HashOf(signed), Raw: signed}}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Sealed(); err != nil || len(all) != 1 || all[0].Hash != id || !bytes.Equal(all[0].Raw, raw) {
		t.Errorf("stored %v, %v", all, err)
	}
	if err := s.Keep([]Change{{Kind: ChangeEnded, Hash: id, Reason: "expired"}}); err != nil {
		t.Fatal(err)
	}
	if one, known, err := s.Ending(id); err != nil || !known || one.Reason != "expired" || one.Kind != Unordered || len(s.Hashes()) != 0 {
		t.Errorf("the end: %+v, %v, %v; %v", one, known, err, s.Hashes())
	}
	changes, _, _, err := s.After(0, 10, 1<<20)
	if err != nil || len(changes) != 1 || changes[0].Hash != id {
		t.Errorf("a standby gets %v, %v", changes, err)
	}
}
