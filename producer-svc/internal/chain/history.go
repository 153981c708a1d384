package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
)

// History says for which blocks states can be read, and proofs of them be made, besides the last 128 states, which are in memory.
// At most one field is set.
type History struct {
	Archive bool          // all
	Blocks  uint64        // so many last ones
	Age     time.Duration // those that are not older than this, by the timestamp of the head
}

// indexTime bounds how long an open chain waits for geth's index of a history that had none. Geth looks every 15 seconds for what there
// is to index. Afterwards it goes on beside the blocks, and old states can be read when it has ended.
const indexTime = time.Minute

// archive as a history keeps everything.
const archive = "archive"

// ParseHistory reads "archive", a number of blocks, or a time such as "24h".
func ParseHistory(text string) (History, error) {
	if text == archive {
		return History{Archive: true}, nil
	}
	if blocks, err := strconv.ParseUint(text, 10, 63); err == nil {
		return History{Blocks: blocks}, nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= time.Second {
		return History{Age: age}, nil
	}
	return History{}, fmt.Errorf("must be %s, a number of blocks, or a time of at least 1s, for example 24h, not %q", archive, text)
}

// kept reports whether states are kept that are not in memory any more.
func (h History) kept() bool { return h.Archive || h.Age > 0 || h.Blocks > recentStates }

// limit is how many states geth keeps below those in memory; 0 is all. That of an age is set as the chain grows.
func (h History) limit() uint64 {
	switch {
	case h.Archive:
		return 0
	case h.Age > 0:
		return math.MaxInt64
	}
	return max(h.Blocks, recentStates)
}

// history keeps geth's histories of the state as History says. Its methods are for the one that applies blocks, unless they say
// otherwise.
type history struct {
	History
	bc    *core.BlockChain
	db    ethdb.Database
	store *stateStore
	log   *slog.Logger

	behind   bool // far behind what is decided: see Chain.Behind
	empty    bool // nothing is indexed, and nothing to index was there when the chain was opened
	deferred bool // the index is made of many states at a time, and not finished

	indexed uint64 // what geth had indexed before it was killed: states up to this id have to be written again; 0 for none

	cut struct { // of an age
		at    uint64 // the timestamp of the head for which it was found
		state uint64 // the oldest state to keep
	}
}

func newHistory(bc *core.BlockChain, db ethdb.Database, kept History, log *slog.Logger) (h *history, err error) {
	h = &history{History: kept, bc: bc, db: db}
	if h.store, err = newStateStore(bc); err != nil {
		return nil, fmt.Errorf("keep the history of states: %w", err)
	}
	if !kept.kept() {
		return h, nil
	}
	if _, err := bc.TrieDB().Recoverable(bc.Genesis().Root()); err != nil { // it waits until the state of the genesis is written
		return nil, fmt.Errorf("keep the history of states: %w", err)
	}
	if h.indexed, err = readIndexed(db); err != nil {
		return nil, fmt.Errorf("keep the history of states: %w", err)
	}
	h.log = log
	if h.empty, err = h.isEmpty(); err != nil || h.empty {
		return h, err
	}
	return h, h.settleBoth()
}

// isEmpty reports whether nothing of the histories is indexed and there is nothing to index.
func (h *history) isEmpty() (bool, error) {
	base, _, err := h.store.base()
	return base <= 1 && len(stateHistory.read(h.db)) == 0 && len(nodeHistory.read(h.db)) == 0, err
}

// settleBoth makes the states of both histories readable.
func (h *history) settleBoth() error {
	if err := errors.Join(h.settle(h.store.states, stateHistory, h.log), h.settle(h.store.nodes, nodeHistory, h.log)); err != nil {
		return fmt.Errorf("keep the history of states: %w", err)
	}
	return nil
}

// catchingUp says whether the chain is far behind. Then states are written and indexed many at a time.
func (h *history) catchingUp(behind bool) error {
	h.behind = behind
	if behind || !h.deferred {
		return nil
	}
	h.deferred = false
	return errors.Join(h.store.states.indexRest(), h.store.nodes.indexRest())
}

// begin chooses, with the first block of a chain, how its states are indexed: each as it is written, so that it can be read at once;
// or, far behind, many at a time, which costs much less, and they can be read when the chain has caught up.
func (h *history) begin() error {
	if !h.empty {
		return nil
	}
	h.empty = false
	if h.deferred = h.behind; h.deferred {
		return nil
	}
	return h.settleBoth()
}

// historyKind is how geth stores one of the two histories.
type historyKind struct {
	name   string
	open   func(dir string, verkle, readOnly bool) (ethdb.ResettableAncientStore, error)
	read   func(ethdb.KeyValueReader) []byte
	write  func(ethdb.KeyValueWriter, []byte)
	remove func(ethdb.KeyValueRangeDeleter)
}

var (
	stateHistory = historyKind{
		name: "accounts", open: rawdb.NewStateFreezer,
		read: rawdb.ReadStateHistoryIndexMetadata, write: rawdb.WriteStateHistoryIndexMetadata, remove: rawdb.DeleteStateHistoryIndexes,
	}
	nodeHistory = historyKind{
		name: "tries", open: rawdb.NewTrienodeFreezer,
		read: rawdb.ReadTrienodeHistoryIndexMetadata, write: rawdb.WriteTrienodeHistoryIndexMetadata, remove: rawdb.DeleteTrienodeHistoryIndexes,
	}
)

// forget removes the index.
func (k historyKind) forget(db ethdb.Database) error {
	if len(k.read(db)) == 0 {
		return nil
	}
	batch := db.NewBatch()
	defer batch.Close()
	k.remove(batch)
	k.write(batch, nil)
	if err := batch.Write(); err != nil {
		return fmt.Errorf("remove the index of states: %w", err)
	}
	return nil
}

// indexTo is geth's note of how far a history is indexed.
type indexTo struct {
	Version uint8
	Last    uint64
}

// settle makes the states of a history readable from the first call on.
func (h *history) settle(files historyFiles, kind historyKind, log *slog.Logger) error {
	base, _, err := h.store.base()
	if err != nil {
		return err
	}
	oldest, err := files.freezer.Tail(rawdb.DefaultHistoryGroup)
	if err != nil {
		return err
	}
	to := indexTo{Last: oldest}
	if blob := kind.read(h.db); len(blob) > 0 {
		if err := rlp.DecodeBytes(blob, &to); err != nil {
			return fmt.Errorf("read how far states are indexed: %w", err)
		}
	}
	// The genesis is state 1, and there is nothing before it to ask for. Otherwise the index is that of another geth.
	if to.Last < base && base > 1 {
		log.Info("indexing the history of states", "history", kind.name, "from", to.Last, "to", base)
		return files.awaitIndex(indexTime)
	}
	if err := files.indexed(); err != nil {
		return err
	}
	// After a kill geth has indexed more states than there are, until the replay has made them again. The entries that are too many
	// do no harm: geth drops them when it writes an entry after them.
	if to.Last > max(base, h.indexed) {
		h.indexed = to.Last
		if err := h.db.Put([]byte(indexedKey), binary.BigEndian.AppendUint64(nil, h.indexed)); err != nil {
			return err
		}
	}
	to.Last = base
	blob, err := rlp.EncodeToBytes(to)
	if err != nil {
		return err
	}
	kind.write(h.db, blob)
	return nil
}

// indexedKey is where history.indexed is kept, for a process that is killed again before it has written those states.
const indexedKey = "\xffblindseq-indexed-states"

func readIndexed(db ethdb.KeyValueReader) (uint64, error) {
	there, err := db.Has([]byte(indexedKey))
	if err != nil || !there {
		return 0, err
	}
	blob, err := db.Get([]byte(indexedKey))
	if err != nil || len(blob) != 8 {
		return 0, fmt.Errorf("read how far states were indexed: %d bytes, %w", len(blob), err)
	}
	return binary.BigEndian.Uint64(blob), nil
}

// before prepares geth for the state of a new block.
func (h *history) before(header *types.Header) error {
	if err := h.begin(); err != nil {
		return err
	}
	buffered := uint64(recentStates)
	if h.behind {
		buffered = behindStates
	}
	if err := h.store.writeSoon(buffered); err != nil {
		return err
	}
	if h.Age == 0 {
		return nil
	}
	if h.cut.at != header.Time {
		h.cut.at, h.cut.state = header.Time, h.stateAt(header)
	}
	base, _, err := h.store.base()
	if err != nil {
		return err
	}
	// The block may push all that is in memory down at once.
	limit := base - min(base, h.cut.state) + 2*recentStates
	h.store.config.StateHistory, h.store.config.TrienodeHistory = limit, int64(limit)
	return nil
}

// stateAt is the id of the first state that is not older than the age.
func (h *history) stateAt(header *types.Header) uint64 {
	age := uint64(h.Age / time.Second)
	if header.Time <= age {
		return 0
	}
	number := uint64(sort.Search(int(header.Number.Uint64()), func(n int) bool {
		old := h.bc.GetHeaderByNumber(uint64(n))
		return old == nil || old.Time >= header.Time-age
	}))
	if first := h.bc.GetHeaderByNumber(number); first != nil {
		if id := rawdb.ReadStateID(h.db, first.Root); id != nil {
			return *id
		}
	}
	return math.MaxUint64 // in memory, as are all after it
}

// after ends what a kill has left to do: states whose index is there already are written out together, as soon as they are there.
func (h *history) after(header *types.Header) error {
	if h.indexed == 0 {
		return nil
	}
	head, err := h.store.head()
	if err != nil || head < h.indexed {
		return err
	}
	base, _, err := h.store.base()
	if err != nil {
		return err
	}
	if h.indexed > base && head > base {
		err = h.bc.TrieDB().Commit(header.Root, false)
	}
	if err != nil {
		return err
	}
	h.indexed = 0
	return h.db.Delete([]byte(indexedKey))
}
