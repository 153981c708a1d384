package txstore

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// list is one kind of stored transaction in order of arrival. The bytes are on disk, the hashes in memory. The store's
// mutex guards it.
type list struct {
	prefix byte
	byHash map[common.Hash]entry
	bytes  int64
}

type entry struct {
	sequence uint64
	size     int
}

func newList(prefix byte) list { return list{prefix: prefix, byHash: make(map[common.Hash]entry)} }

func (l *list) load(db ethdb.KeyValueStore) (last uint64, err error) {
	err = iterate(db, l.prefix, func(sequence uint64, raw []byte) bool {
		l.insert(HashOf(raw), sequence, len(raw))
		last = sequence
		return true
	})
	return last, err
}

func (l *list) insert(hash common.Hash, sequence uint64, size int) {
	l.byHash[hash] = entry{sequence: sequence, size: size}
	l.bytes += int64(size)
}

// delete takes the transaction out, and puts its removal into the batch.
func (l *list) delete(batch ethdb.KeyValueWriter, hash common.Hash) error {
	one, ok := l.byHash[hash]
	if !ok {
		return nil
	}
	if err := batch.Delete(sequenceKey(l.prefix, one.sequence)); err != nil {
		return err
	}
	if delete(l.byHash, hash); len(l.byHash) == 0 {
		l.byHash = make(map[common.Hash]entry) // a map keeps the size it once had
	}
	l.bytes -= int64(one.size)
	return nil
}

// transactions visits those of a prefix in order of arrival until visit says no.
func transactions(db ethdb.KeyValueStore, prefix byte, visit func(Tx) bool) error {
	return iterate(db, prefix, func(_ uint64, raw []byte) bool {
		raw = bytes.Clone(raw)
		return visit(Tx{Hash: HashOf(raw), Raw: raw})
	})
}

// iterate walks the sequences of a prefix in order until visit says no. The value is only valid in visit.
func iterate(db ethdb.KeyValueStore, prefix byte, visit func(sequence uint64, value []byte) bool) error {
	return walk(db.NewIterator([]byte{prefix}, nil), visit)
}

func walk(it ethdb.Iterator, visit func(sequence uint64, value []byte) bool) error {
	defer it.Release()
	for it.Next() {
		key := it.Key()
		if len(key) != 9 {
			return fmt.Errorf("read transaction store: key %x has %d bytes", key, len(key))
		}
		if !visit(binary.BigEndian.Uint64(key[1:]), it.Value()) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read transaction store: %w", err)
	}
	return nil
}
