package chain_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb/pebble"
)

// database is where geth has its key-value store, beside which the folder ancient has the reverse diffs.
func database(dir string) string { return filepath.Join(dir, "blindseq", "chaindata") }

// forget takes the key-value store back to what it was in before, as a kill does with what was written last, and leaves
// the reverse diffs as they are.
func forget(t *testing.T, dir, before string) {
	t.Helper()
	must(t, os.Rename(filepath.Join(database(dir), "ancient"), filepath.Join(before, "ancient")))
	must(t, os.RemoveAll(database(dir)))
	must(t, os.Rename(before, database(dir)))
}

func store(t *testing.T, dir string, do func(*pebble.Database)) {
	t.Helper()
	db, err := pebble.New(database(dir), 16, 64, "", false)
	must(t, err)
	do(db)
	must(t, db.Close())
}

func TestAChainComesBackWithoutTheStateItWroteLast(t *testing.T) {
	dir, before := t.TempDir(), filepath.Join(t.TempDir(), "before")
	crash(t, dir, 240, 1, 0)
	must(t, os.CopyFS(before, os.DirFS(database(dir))))
	must(t, os.RemoveAll(filepath.Join(before, "ancient")))
	last := crash(t, dir, 290, 1, 0)
	forget(t, dir, before)
	store(t, dir, func(db *pebble.Database) { equal(t, "state", rawdb.ReadPersistentStateID(db), 1) }) // the genesis's

	c := open(t, dir)
	hashes := newScript(t, 1).play(c, 290)
	equal(t, "hash of the last block", hashes[len(hashes)-1].Hex(), last)
	must(t, c.Close())
	c = open(t, dir)
	number, _, _ := c.Head()
	equal(t, "head", number, 290)
}

func TestAChainComesBackWithoutTheStateOfItsGenesis(t *testing.T) {
	dir := t.TempDir()
	last := crash(t, dir, 20, 1, 0)
	store(t, dir, func(db *pebble.Database) {
		rawdb.WritePersistentStateID(db, 0)
		rawdb.WriteSnapshotRoot(db, types.EmptyRootHash)
		rawdb.DeleteAccountTrieNode(db, nil)
	})
	c := open(t, dir)
	number, _, _ := c.Head()
	equal(t, "head", number, 0)
	hashes := newScript(t, 1).play(c, 20)
	equal(t, "hash of the last block", hashes[len(hashes)-1].Hex(), last)
}
