// Package vectorstest reads the values that an independent implementation made, for tests of the commands.
package vectorstest

import (
	"encoding/json"
	"os"
	"testing"
)

// All are all values.
type All struct {
	Cases      []Case    `json:"cases"`
	Refused    []Refused `json:"refused"`
	Unopenable []Refused `json:"unopenable"`
}

// Sealed is a sealed transaction and its key. Bytes are hex without 0x.
type Sealed struct {
	ChainID   uint64 `json:"chain_id,string"`
	PublicKey string `json:"public_key"`
	Sealed    string `json:"sealed"`
	ID        string `json:"id"`
}

// Refused is a sealed transaction that fails, and why.
type Refused struct {
	Sealed
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// Case is what a sealed transaction is made of. Numbers are decimal.
type Case struct {
	Sealed
	Threshold    int      `json:"threshold"`
	SecretShares []string `json:"secret_shares"`
	PublicShares []string `json:"public_shares"`
	SubmitterKey string   `json:"submitter_key"`
	Submitter    string   `json:"submitter"`
	Seq          string   `json:"seq"`
	Gas          string   `json:"gas"`
	Fee          string   `json:"fee"`
	Expiry       string   `json:"expiry"`
	Seed         string   `json:"seed"`
	Tx           string   `json:"tx"`
}

// Read reads the values. The test must be in a folder of offline.
func Read(t testing.TB) All {
	t.Helper()
	b, err := os.ReadFile("../../../seal/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all All
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}
