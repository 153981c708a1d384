package txstore

import (
	"fmt"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// HashOf names a transaction in stores and between replicas: a sealed one by its id, whoever signed it how, any other by the
// hash of its bytes.
func HashOf(raw []byte) common.Hash {
	if seal.IsSealed(raw) {
		if s, err := seal.Parse(raw); err == nil {
			return common.Hash(s.ID())
		}
	}
	return crypto.Keccak256Hash(raw)
}

// AddSealed stores sealed transactions, durable when it returns, in the order given.
func (s *Store) AddSealed(txs []Tx) error {
	if len(txs) == 0 {
		return nil
	}
	if err := s.put(&s.sealed, txs); err != nil {
		return fmt.Errorf("store sealed transactions: %w", err)
	}
	return nil
}

// RemoveSealed forgets sealed transactions whose block has been applied.
func (s *Store) RemoveSealed(ids []common.Hash) error {
	return s.remove(&s.sealed, "forget sealed transactions", ids)
}

// Sealed are those stored, in order of arrival.
func (s *Store) Sealed() (all []Tx, err error) {
	err = transactions(s.db, prefixSealed, func(tx Tx) bool {
		all = append(all, tx)
		return true
	})
	return all, err
}
