package chain

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
)

// prepare makes a database one that geth opens. Geth writes its key-value store without waiting for the operating system,
// so a killed process loses what it wrote in the last milliseconds; its reverse diffs are files of their own, of which it
// loses nothing. After most kills geth finds its way back. After two it does not, and ends the process at every start:
//   - the state it wrote last is lost, and reverse diffs after the one before that are removed already;
//   - the state of the genesis is lost, and blocks on it are not.
//
// No other number of reverse diffs than recentStates would do: the write that a limit forces is always followed by a removal.
func prepare(stack *node.Node, log *slog.Logger) error {
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
	return errors.Join(repairHistory(db, log), db.Close())
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

// repairHistory starts the reverse diffs again where they do not meet the stored state. They are there for rolling
// blocks back, which never happens (see recentStates).
func repairHistory(db ethdb.Database, log *slog.Logger) (err error) {
	state := rawdb.ReadPersistentStateID(db)
	if state == 0 {
		return nil
	}
	dir, err := db.AncientDatadir()
	if err != nil {
		return fmt.Errorf("find reverse diffs: %w", err)
	}
	diffs, err := rawdb.NewStateFreezer(dir, false, false)
	if err != nil {
		return fmt.Errorf("open reverse diffs: %w", err)
	}
	defer func() { err = errors.Join(err, diffs.Close()) }()
	first, err := diffs.Tail(rawdb.DefaultHistoryGroup)
	if err != nil {
		return fmt.Errorf("read reverse diffs: %w", err)
	}
	last, err := diffs.Ancients()
	if err != nil {
		return fmt.Errorf("read reverse diffs: %w", err)
	}
	if first <= state && state <= last {
		return nil
	}
	log.Warn("the process was killed while the state was written; blocks since the one before are replayed",
		"state", state, "diffs_after", first, "diffs_to", last)
	if err := diffs.Reset(); err != nil {
		return fmt.Errorf("remove reverse diffs: %w", err)
	}
	if _, err := diffs.TruncateTail(rawdb.DefaultHistoryGroup, state); err != nil {
		return fmt.Errorf("start reverse diffs again: %w", err)
	}
	return nil
}
