package committee_test

import (
	"fmt"
	"os"
	"path/filepath"

	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
)

// A committee is one file. Everyone who has it knows the same keyholders, by the same hash.
func ExampleRead() {
	dir, err := os.MkdirTemp("", "committee")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	made := committeetest.ForExample(4, 3, 1)
	file := filepath.Join(dir, "committee.json")
	if err := made.Write(file); err != nil {
		panic(err)
	}
	c, err := committee.Read(file)
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Size(), "keyholders, quorum", c.Quorum(), "on chain", c.ChainID)
	fmt.Println("same committee:", c.Hash() == made.Hash())
	// Output:
	// 4 keyholders, quorum 3 on chain 1337
	// same committee: true
}
