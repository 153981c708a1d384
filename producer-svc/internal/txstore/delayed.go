package txstore

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// AddDelayed stores a delayed transaction, durable when it returns. added is false when it is there already.
func (s *Store) AddDelayed(raw []byte) (hash common.Hash, added bool, err error) {
	hash = HashOf(raw)
	s.mu.Lock()
	_, known := s.delayed.byHash[hash]
	full := len(s.delayed.byHash) >= s.options.Delayed || s.delayed.bytes+int64(len(raw)) > s.options.DelayedBytes
	count := len(s.delayed.byHash)
	s.mu.Unlock()
	if full && !known {
		return hash, false, fmt.Errorf("store delayed transaction: %w: %d are waiting", ErrFull, count)
	}
	if err = s.put(&s.delayed, []Tx{{Hash: hash, Raw: raw}}); err != nil {
		return hash, false, fmt.Errorf("store delayed transaction: %w", err)
	}
	return hash, !known, nil
}

// Delayed gives at most limit delayed transactions, those that came first first.
func (s *Store) Delayed(limit int) ([]Tx, error) {
	var txs []Tx
	if limit <= 0 || s.DelayedCount() == 0 {
		return nil, nil
	}
	err := transactions(s.db, prefixDelayed, func(tx Tx) bool {
		txs = append(txs, tx)
		return len(txs) < limit
	})
	return txs, err
}

// DelayedCount is the number of delayed transactions.
func (s *Store) DelayedCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.delayed.byHash)
}

// DelayedByHash gives the bytes of a delayed transaction, which a preblock only names.
func (s *Store) DelayedByHash(hash common.Hash) (raw []byte, ok bool, err error) {
	s.mu.Lock()
	one, ok := s.delayed.byHash[hash]
	s.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
	if raw, err = s.db.Get(sequenceKey(prefixDelayed, one.sequence)); err != nil {
		return nil, false, fmt.Errorf("read delayed transaction %s: %w", hash, err)
	}
	return raw, true, nil
}

// RemoveDelayed forgets delayed transactions: their block has been applied.
func (s *Store) RemoveDelayed(hashes []common.Hash) error {
	return s.remove(&s.delayed, "forget delayed transactions", hashes)
}
