package chain

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/triedb/pathdb"
)

// stateStore is geth's store of states (pathdb), with what this package needs of it and geth does not export. As with caches, fields
// are found by their names, once, so that another geth fails at the start and not later.
//
// A state has an id: one more than that of the state before it. Blocks that change nothing have the state, and the id, of their
// parent. The newest states are layers in memory. Below them is the base, with a buffer of what is not on the disk yet. Under the
// base, what each state changed is kept in two files that only grow: of accounts and storage, and of the nodes of tries.
type stateStore struct {
	config *pathdb.Config // geth reads the limits of the history at each block, in the goroutine that applies it
	tree   reflect.Value  // struct layerTree
	states historyFiles   // of accounts and storage
	nodes  historyFiles   // of tries; its freezer is nil without a history
}

// historyFiles are one of the two histories.
type historyFiles struct {
	freezer ethdb.ResettableAncientStore
	index   reflect.Value // struct indexIniter; invalid without a history
}

// hidden is a field that geth does not export, as a value that can be read and set.
func hidden(of reflect.Value, name string) (reflect.Value, error) {
	if of.Kind() == reflect.Pointer || of.Kind() == reflect.Interface {
		return hidden(of.Elem(), name)
	}
	if of.Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("this geth has no %s: it is in a %s", name, of.Kind())
	}
	field := of.FieldByName(name)
	if !field.IsValid() {
		return field, fmt.Errorf("this geth has no %s in %s", name, of.Type())
	}
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem(), nil
}

// hiddenAs is such a field of a type that geth does export.
func hiddenAs[T any](of reflect.Value, name string) (*T, error) {
	field, err := hidden(of, name)
	if err != nil {
		return nil, err
	}
	as, ok := field.Addr().Interface().(*T)
	if !ok {
		return nil, fmt.Errorf("this geth's %s is a %s", name, field.Type())
	}
	return as, nil
}

func newStateStore(bc *core.BlockChain) (*stateStore, error) {
	backend, err := hidden(reflect.ValueOf(bc.TrieDB()), "backend")
	if err != nil {
		return nil, err
	}
	db := backend.Elem()
	if _, ok := db.Interface().(*pathdb.Database); !ok {
		return nil, fmt.Errorf("this geth keeps states in a %s", db.Type())
	}
	s := &stateStore{}
	config, err1 := hiddenAs[*pathdb.Config](db, "config")
	tree, err2 := hidden(db, "tree")
	states, err3 := historyFilesOf(db, "stateFreezer", "stateIndexer")
	nodes, err4 := historyFilesOf(db, "trienodeFreezer", "trienodeIndexer")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	s.config, s.tree, s.states, s.nodes = *config, tree.Elem(), states, nodes
	_, _, err = s.base()
	return s, err
}

func historyFilesOf(db reflect.Value, freezer, indexer string) (h historyFiles, err error) {
	files, err := hiddenAs[ethdb.ResettableAncientStore](db, freezer)
	if err != nil {
		return h, err
	}
	index, err := hidden(db, indexer)
	if err != nil {
		return h, err
	}
	h.freezer = *files
	if !index.IsNil() {
		h.index, err = hidden(index, "initer")
	}
	return h, err
}

// base is the number of the lowest state in memory, and its buffer. The caller is the one that applies blocks, or there is none.
func (s *stateStore) base() (id uint64, buffer reflect.Value, err error) {
	base, err := hidden(s.tree, "base")
	if err != nil {
		return 0, buffer, err
	}
	number, err1 := hiddenAs[uint64](base, "id")
	buffer, err2 := hidden(base, "buffer")
	if err := errors.Join(err1, err2); err != nil {
		return 0, buffer, err
	}
	return *number, buffer, nil
}

// head is the id of the newest state.
func (s *stateStore) head() (uint64, error) {
	base, _, err := s.base()
	if err != nil {
		return 0, err
	}
	layers, err := hidden(s.tree, "layers")
	if err != nil {
		return 0, err
	}
	return base + uint64(layers.Len()) - 1, nil
}

// writeSoon has the buffer written with the next block, when it holds so many states.
func (s *stateStore) writeSoon(states uint64) error {
	_, buffer, err := s.base()
	if err != nil {
		return err
	}
	held, err1 := hiddenAs[uint64](buffer, "layers")
	limit, err2 := hiddenAs[uint64](buffer, "limit")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if *held >= states {
		*limit = 0
	}
	return nil
}

// indexed tells geth that a history is indexed to its end: from now on geth indexes each state as it is written. Geth itself would
// look for that 15 seconds after the start, and only while the head is less than six hours old; until then it serves no old
// state. Nothing may be read or written meanwhile.
func (h historyFiles) indexed() error {
	closed, err1 := hiddenAs[chan struct{}](h.index, "closed")
	done, err2 := hiddenAs[chan struct{}](h.index, "done")
	running, err3 := hiddenAs[sync.WaitGroup](h.index, "wg")
	state, err4 := hidden(h.index, "state")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	term, err := hiddenAs[chan struct{}](state, "term")
	if err != nil {
		return err
	}
	select {
	case <-*done: // geth has found out by itself
		return nil
	default:
	}
	close(*closed)
	close(*term)
	running.Wait()
	*closed, *done = make(chan struct{}), make(chan struct{})
	close(*done)
	return nil
}

// indexRest has geth index what a history holds, whatever the age of the head. It goes on beside the blocks.
func (h historyFiles) indexRest() error {
	state, err := hidden(h.index, "state")
	if err != nil {
		return err
	}
	lock, err1 := hiddenAs[sync.Mutex](state, "stateLock")
	value, err2 := hidden(state, "state")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	value.SetInt(0) // stateSynced
	return nil
}

// awaitIndex is indexRest, and waits for it.
func (h historyFiles) awaitIndex(limit time.Duration) error {
	done, err := hiddenAs[chan struct{}](h.index, "done")
	if err != nil {
		return err
	}
	if err := h.indexRest(); err != nil {
		return err
	}
	select {
	case <-*done:
	case <-time.After(limit):
	}
	return nil
}
