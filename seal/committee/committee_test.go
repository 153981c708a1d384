package committee_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
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
	members := c.Members.Members()
	swapped := c.Members.Members()
	swapped[0], swapped[1] = swapped[1], swapped[0]
	other := committeetest.New(t, 4, 3, 1)
	for name, build := range map[string]func() (*committee.Committee, error){
		"chain":   func() (*committee.Committee, error) { return committee.New(1338, 1, members, c.Keys) },
		"first":   func() (*committee.Committee, error) { return committee.New(1337, 2, members, c.Keys) },
		"members": func() (*committee.Committee, error) { return committee.New(1337, 1, swapped, c.Keys) },
		"keys":    func() (*committee.Committee, error) { return committee.New(1337, 1, members, other.Keys) },
	} {
		d, err := build()
		if err != nil || d.Hash() == c.Hash() {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, err := committee.New(1337, 1, members, c.Keys)
	if err != nil || again.Hash() != c.Hash() {
		t.Errorf("the same committee: %v", err)
	}
}

func TestCommitteesThatCannotWorkAreRefused(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	members := c.Members.Members()
	high := committeetest.New(t, 3, 2, 1)
	for name, err := range map[string]error{
		"no members":    second(committee.New(1, 1, nil, c.Keys)),
		"too few":       second(committee.New(1, 1, members[:3], c.Keys)),
		"twice":         second(committee.New(1, 1, append(members[:3:3], members[0]), c.Keys)),
		"no keys":       second(committee.New(1, 1, members, nil)),
		"number 0":      second(committee.New(1, 0, members, c.Keys)),
		"other's keys":  second(committee.New(1, 1, members, high.Keys)),
		"no committee":  json.Unmarshal([]byte(`{}`), new(committee.Committee)),
		"not an object": json.Unmarshal([]byte(`[]`), new(committee.Committee)),
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

func second(_ *committee.Committee, err error) error { return err }
