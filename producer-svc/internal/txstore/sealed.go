package txstore

import (
	"bytes"
	"fmt"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb"
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
	if len(ids) == 0 {
		return nil
	}
	return s.update("forget sealed transactions", func(batch ethdb.Batch) error {
		for _, id := range ids {
			if _, err := s.sealed.delete(batch, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sealed are those stored, in order of arrival.
func (s *Store) Sealed() (all []Tx, err error) {
	err = iterate(s.db, prefixSealed, func(_ uint64, raw []byte) bool {
		raw = bytes.Clone(raw)
		all = append(all, Tx{Hash: HashOf(raw), Raw: raw})
		return true
	})
	return all, err
}
