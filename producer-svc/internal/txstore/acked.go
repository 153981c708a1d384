package txstore

import (
	"fmt"

	"blindseq/producer-svc/internal/dbwrite"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// Add stores transactions before they are acknowledged. Those already stored are not stored twice, but are durable as
// well when Add returns.
func (s *Store) Add(txs []Tx) error {
	if len(txs) == 0 {
		return nil
	}
	if err := s.put(&s.acked, txs); err != nil {
		return fmt.Errorf("store transactions: %w", err)
	}
	return nil
}

// put appends to a list, durable when it returns.
func (s *Store) put(l *list, txs []Tx) error {
	if err := s.write(l, txs); err != nil {
		return err
	}
	// gofail: var transactionWritten struct{}
	return s.makeDurable(s.positionOf(l, txs))
}

// positionOf is the last position among transactions that were written now or before; 0 when all of them have ended.
func (s *Store) positionOf(l *list, txs []Tx) (position uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tx := range txs {
		position = max(position, l.byHash[tx.Hash].sequence)
	}
	return position
}

// write appends to a list, without making it durable.
func (s *Store) write(l *list, txs []Tx) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if len(txs) == 0 {
		return nil
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	for _, tx := range txs {
		if _, known := l.byHash[tx.Hash]; known {
			continue
		}
		s.sequence++
		l.insert(tx.Hash, s.sequence, len(tx.Raw))
		if err := batch.Put(sequenceKey(l.prefix, s.sequence), tx.Raw); err != nil {
			return s.breakDown(err)
		}
	}
	if err := dbwrite.Do(batch.Write); err != nil {
		return s.breakDown(err)
	}
	s.changed.Notify()
	return nil
}

// Remove forgets acknowledged transactions that are in a block.
func (s *Store) Remove(hashes []common.Hash) error {
	return s.remove(&s.acked, "forget transactions", hashes)
}

func (s *Store) remove(l *list, action string, hashes []common.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	return s.update(action, func(batch ethdb.Batch) error {
		for _, hash := range hashes {
			if err := l.delete(batch, hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// Has says whether the transaction is acknowledged and not ended.
func (s *Store) Has(hash common.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.acked.byHash[hash]
	return ok
}

// holds says whether a transaction, plain or sealed, is acknowledged and not ended.
func (s *Store) holds(hash common.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, plain := s.acked.byHash[hash]
	_, sealed := s.sealed.byHash[hash]
	return plain || sealed
}

// Room is how many more transactions, and of how many bytes, may be acknowledged.
func (s *Store) Room() (transactions int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.Transactions - len(s.acked.byHash), s.options.TransactionBytes - s.acked.bytes
}

// Count is the number of acknowledged transactions that have not ended.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked.byHash)
}

// Each visits the acknowledged transactions in order of arrival, in groups of at most size, until visit says no. The
// store may change meanwhile.
func (s *Store) Each(size int, visit func(txs []Tx) bool) error {
	var group []Tx
	going := true
	err := transactions(s.db, prefixTransaction, func(tx Tx) bool {
		group = append(group, tx)
		if len(group) == size {
			going, group = visit(group), nil
		}
		return going
	})
	if err == nil && going && len(group) > 0 {
		visit(group)
	}
	return err
}

// update writes a batch that need not be durable at once.
func (s *Store) update(action string, fill func(batch ethdb.Batch) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return fmt.Errorf("%s: %w", action, s.broken)
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	err := fill(batch)
	if err == nil && batch.ValueSize() > 0 {
		err = dbwrite.Do(batch.Write)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, s.breakDown(err))
	}
	s.changed.Notify()
	return nil
}
