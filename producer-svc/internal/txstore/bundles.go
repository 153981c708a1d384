package txstore

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
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
	return s.remove(&s.bundles, "forget bundles", hashes)
}

// Bundles are those stored, in order of arrival.
func (s *Store) Bundles() (all []Tx, err error) {
	err = transactions(s.db, prefixBundle, func(tx Tx) bool {
		all = append(all, tx)
		return true
	})
	return all, err
}
