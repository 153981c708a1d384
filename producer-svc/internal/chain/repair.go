package chain

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
)

// prepare makes a database one that geth opens. Geth writes its key-value store without waiting for the operating system,
// so a killed process loses what it wrote in the last milliseconds; its histories of the state are files of their own, of which it
// loses nothing. After most kills geth finds its way back. After two it does not, and ends the process at every start:
//   - the state it wrote last is lost, and its histories after the one before that are removed already, which takes a short history;
//   - the state of the genesis is lost, and blocks on it are not.
func prepare(stack *node.Node, kept History, log *slog.Logger) error {
	db, err := openDatabase(stack)
	if err != nil {
		return err
	}
	if genesisLost(db) {
		log.Warn("the process was killed before the state of the genesis was written; the chain starts over and is replayed")
		if err := errors.Join(db.Close(), os.RemoveAll(stack.ResolvePath(databaseName))); err != nil {
			return err
		}
		if db, err = openDatabase(stack); err != nil {
			return err
		}
	}
	markIndexed(db)
	return errors.Join(repairHistories(stack, db, kept, log), db.Close())
}

func openDatabase(stack *node.Node) (ethdb.Database, error) {
	return stack.OpenDatabaseWithOptions(databaseName, node.DatabaseOptions{Cache: databaseCache, Handles: databaseFiles})
}

// markIndexed tells a new database that transactions are indexed from the first block, which they are: each block's
// are written with its head. Otherwise eth_getTransactionReceipt answers "indexing is in progress" until some block
// has come.
func markIndexed(db ethdb.Database) {
	if rawdb.ReadTxIndexTail(db) == nil {
		rawdb.WriteTxIndexTail(db, 0)
	}
}

// genesisLost says whether there is a genesis and no state at all. Nothing is lost with such a chain that the blueprint
// log does not have, and it is short: the first state is written within the first 2 × recentStates blocks.
func genesisLost(db ethdb.Database) bool {
	hash := rawdb.ReadCanonicalHash(db, 0)
	if hash == (common.Hash{}) || rawdb.ReadPersistentStateID(db) > 0 {
		return false
	}
	genesis := rawdb.ReadHeader(db, hash, 0)
	return genesis != nil && genesis.Root != types.EmptyRootHash
}

// histories are those that geth keeps.
func (h History) histories() []historyKind {
	if h.kept() {
		return []historyKind{stateHistory, nodeHistory}
	}
	return []historyKind{stateHistory}
}

// repairHistories has the histories begin at the stored state when one of them does not meet it. It does not when it was not kept in the
// run before, either: then what that run left in geth's journal is no good for it, and is replayed. What is left of a history that is not
// kept any more is removed.
func repairHistories(stack *node.Node, db ethdb.Database, kept History, log *slog.Logger) error {
	dir, err := db.AncientDatadir()
	if err != nil {
		return fmt.Errorf("find the history of states: %w", err)
	}
	if !kept.kept() {
		err := errors.Join(stateHistory.forget(db), nodeHistory.forget(db), os.RemoveAll(filepath.Join(dir, rawdb.MerkleTrienodeFreezerName)))
		if err != nil {
			return fmt.Errorf("remove the history of states: %w", err)
		}
	}
	state := rawdb.ReadPersistentStateID(db)
	if state == 0 { // geth begins them again
		return nil
	}
	good := true
	for _, kind := range kept.histories() {
		meets, err := kind.meets(dir, state, log)
		if err != nil {
			return fmt.Errorf("read the history of states: %w", err)
		}
		good = good && meets
	}
	if good {
		return nil
	}
	if err := os.RemoveAll(stack.ResolvePath(journalName)); err != nil {
		return fmt.Errorf("remove the journal of states: %w", err)
	}
	for _, kind := range kept.histories() {
		if err := kind.begin(db, dir, state); err != nil {
			return fmt.Errorf("begin the history of states: %w", err)
		}
	}
	return nil
}

// meets reports whether a history goes up to the stored state or beyond, and from there or before.
func (k historyKind) meets(dir string, state uint64, log *slog.Logger) (meets bool, err error) {
	files, err := k.open(dir, false, false)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	first, err := files.Tail(rawdb.DefaultHistoryGroup)
	if err != nil {
		return false, err
	}
	last, err := files.Ancients()
	if err != nil {
		return false, err
	}
	switch {
	case first <= state && state <= last:
		return true, nil
	case last == 0:
		log.Info("a history of states begins", "history", k.name, "state", state)
	default:
		log.Warn("the process was killed while the state was written; blocks since the one before are replayed, and older states are not kept",
			"history", k.name, "state", state, "history_after", first, "history_to", last)
	}
	return false, nil
}

// begin makes a history empty, up to the stored state.
func (k historyKind) begin(db ethdb.Database, dir string, state uint64) (err error) {
	if err := k.forget(db); err != nil {
		return err
	}
	files, err := k.open(dir, false, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	if err := files.Reset(); err != nil {
		return err
	}
	_, err = files.TruncateTail(rawdb.DefaultHistoryGroup, state)
	return err
}
