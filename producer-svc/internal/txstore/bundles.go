package txstore

import (
	"bytes"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// AddBundles stores encrypted bundles, durable when it returns, in the order given.
func (s *Store) AddBundles(bundles []Tx) error {
	if len(bundles) == 0 {
		return nil
	}
	if err := s.put(&s.bundles, bundles); err != nil {
		return fmt.Errorf("store bundles: %w", err)
	}
	return nil
}

// RemoveBundles forgets bundles whose block has been applied.
func (s *Store) RemoveBundles(hashes []common.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	return s.update("forget bundles", func(batch ethdb.Batch) error {
		for _, hash := range hashes {
			if _, err := s.bundles.delete(batch, hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// Bundles are those stored, in order of arrival.
func (s *Store) Bundles() (all []Tx, err error) {
	err = iterate(s.db, prefixBundle, func(_ uint64, raw []byte) bool {
		raw = bytes.Clone(raw)
		all = append(all, Tx{Hash: hashOf(raw), Raw: raw})
		return true
	})
	return all, err
}
