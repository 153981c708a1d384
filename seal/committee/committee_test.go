package committee_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
)

func TestWrittenCommitteeIsReadAgain(t *testing.T) {
	c := committeetest.New(t, 7, 5, 9)
	path := filepath.Join(t.TempDir(), "committee.json")
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	read, err := committee.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if read.Hash() != c.Hash() || read.ChainID != 1337 || read.First != 9 || read.Size() != 7 || read.Quorum() != 5 {
		t.Fatalf("read %+v", read)
	}
	if err := c.Write(path); !errors.Is(err, os.ErrExist) {
		t.Fatalf("written over: %v", err)
	}
}

func TestEveryPartOfACommitteeIsInItsHash(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	members := c.Members()
	swapped := c.Members()
	swapped[0], swapped[1] = swapped[1], swapped[0]
	other := committeetest.New(t, 4, 3, 1)
	for name, build := range map[string]func() (*committee.Committee, error){
		"chain": func() (*committee.Committee, error) {
			return committee.New(1, members, onChain(t, c.Keys, 1338), c.Limits, c.Roles)
		},
		"first":     func() (*committee.Committee, error) { return committee.New(2, members, c.Keys, c.Limits, c.Roles) },
		"members":   func() (*committee.Committee, error) { return committee.New(1, swapped, c.Keys, c.Limits, c.Roles) },
		"keys":      func() (*committee.Committee, error) { return committee.New(1, members, other.Keys, c.Limits, c.Roles) },
		"sequencer": func() (*committee.Committee, error) { return committee.New(1, members, c.Keys, c.Limits, other.Roles) },
		"relay": func() (*committee.Committee, error) {
			return committee.New(1, members, c.Keys, c.Limits, committee.Roles{Sequencers: c.Roles.Sequencers, Relays: members[:1]})
		},
		"lifetime": func() (*committee.Committee, error) {
			return committee.New(1, members, c.Keys, committee.Limits{Lifetime: 9}, c.Roles)
		},
		"sealed gas": func() (*committee.Committee, error) {
			return committee.New(1, members, c.Keys, committee.Limits{SealedGas: 21_000}, c.Roles)
		},
	} {
		d, err := build()
		if err != nil || d.Hash() == c.Hash() {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, err := committee.New(1, members, c.Keys, c.Limits, c.Roles)
	if err != nil || again.Hash() != c.Hash() {
		t.Errorf("the same committee: %v", err)
	}
}

func TestCommitteesThatCannotWorkAreRefused(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	members := c.Members()
	high := committeetest.New(t, 3, 2, 1)
	for name, err := range map[string]error{
		"no members":     second(committee.New(1, nil, c.Keys, c.Limits, c.Roles)),
		"too few":        second(committee.New(1, members[:3], c.Keys, c.Limits, c.Roles)),
		"twice":          second(committee.New(1, append(members[:3:3], members[0]), c.Keys, c.Limits, c.Roles)),
		"no address":     second(committee.New(1, append(members[:3:3], common.Address{}), c.Keys, c.Limits, c.Roles)),
		"no keys":        second(committee.New(1, members, nil, c.Limits, c.Roles)),
		"number 0":       second(committee.New(0, members, c.Keys, c.Limits, c.Roles)),
		"other's keys":   second(committee.New(1, members, high.Keys, c.Limits, c.Roles)),
		"no sequencer":   second(committee.New(1, members, c.Keys, c.Limits, committee.Roles{})),
		"two sequencers": second(committee.New(1, members, c.Keys, c.Limits, committee.Roles{Sequencers: members[:2]})),
		"a relay twice":  second(committee.New(1, members, c.Keys, c.Limits, committee.Roles{Sequencers: members[:1], Relays: append(members[:1:1], members[0])})),
		"little gas":     second(committee.New(1, members, c.Keys, committee.Limits{SealedGas: 20_999}, c.Roles)),
		"for ever":       second(committee.New(1, members, c.Keys, committee.Limits{Lifetime: 1 << 33}, c.Roles)),
		"of 0.1.0":       json.Unmarshal([]byte(`{"chain_id":1337,"first_number":1,"members":[],"keys":{}}`), new(committee.Committee)),
		"no committee":   json.Unmarshal([]byte(`{}`), new(committee.Committee)),
		"not an object":  json.Unmarshal([]byte(`[]`), new(committee.Committee)),
	} {
		if !errors.Is(err, committee.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, []byte(strings.Repeat(" ", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := committee.Read(path); !errors.Is(err, committee.ErrInvalid) {
		t.Errorf("a large file: %v", err)
	}
}

// onChain is keys for another chain.
func onChain(t *testing.T, k *seal.Keys, chain uint64) *seal.Keys {
	t.Helper()
	shares := make([]seal.Point, k.Keyholders())
	for i := range shares {
		var err error
		if shares[i], err = k.Share(uint8(i)); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := seal.NewKeys(chain, k.Threshold(), k.Point(), shares)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestACommitteeOfFormat1IsNamed(t *testing.T) {
	err := json.Unmarshal([]byte(`{"chain_id":1337,"keys":{"threshold":3}}`), new(committee.Committee))
	if !errors.Is(err, committee.ErrFormat1) {
		t.Errorf("got %v", err)
	}
}

func second(_ *committee.Committee, err error) error { return err }
