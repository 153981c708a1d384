package txstore

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
)

// Kind is the way in which a transaction ended that is in no block.
type Kind uint8

const (
	Skipped   Kind = iota + 1 // it was decided in a block and could not be executed
	Dropped                   // it left the pool before it was decided
	Unordered                 // the same of a sealed transaction
)

// Ending is the end of a transaction that is in no block.
type Ending struct {
	Hash   common.Hash
	Kind   Kind
	Number uint64 // the block that skipped it
	Reason string
}

// stored is an Ending as it is written.
type stored struct {
	Sequence uint64
	Kind     Kind
	Number   uint64
	Reason   string
	Time     uint64 // seconds
}

// End records endings and forgets the acknowledgement of these transactions, both or neither. An ending replaces an
// earlier one of the same transaction. A stored sealed transaction that is Dropped is recorded as Unordered.
func (s *Store) End(endings []Ending) error { return s.record(endings, true) }

// Note records endings of transactions that have not ended: they are still in the pool and may yet succeed.
func (s *Store) Note(endings []Ending) error { return s.record(endings, false) }

func (s *Store) record(endings []Ending, ended bool) error {
	if len(endings) == 0 {
		return nil
	}
	err := s.update("record endings", func(batch ethdb.Batch) error {
		seen := make(map[common.Hash]bool, len(endings))
		for _, one := range endings {
			if seen[one.Hash] {
				continue
			}
			seen[one.Hash] = true
			if _, sealed := s.sealed.byHash[one.Hash]; sealed && one.Kind == Dropped {
				one.Kind = Unordered
			}
			if err := s.putEnding(batch, one); err != nil {
				return err
			}
			if !ended {
				continue
			}
			if err := cmp.Or(s.acked.delete(batch, one.Hash), s.sealed.delete(batch, one.Hash)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if ended {
		for _, one := range endings {
			s.ended(one.Hash)
		}
	}
	return s.forgetEndings()
}

// Ending finds the ending of a transaction. Only transactions in no block have one, and it is kept for a limited time.
func (s *Store) Ending(hash common.Hash) (Ending, bool, error) {
	found, ok, err := s.readEnding(hash)
	if err != nil || !ok {
		return Ending{}, false, err
	}
	return Ending{Hash: hash, Kind: found.Kind, Number: found.Number, Reason: found.Reason}, true, nil
}

func (s *Store) putEnding(batch ethdb.Batch, one Ending) error {
	earlier, known, err := s.readEnding(one.Hash)
	if err != nil {
		return err
	}
	if known {
		if err := batch.Delete(sequenceKey(prefixEndingOrder, earlier.Sequence)); err != nil {
			return err
		}
	} else {
		s.endings++
	}
	s.sequence++
	raw, err := rlp.EncodeToBytes(&stored{Sequence: s.sequence, Kind: one.Kind, Number: one.Number, Reason: one.Reason,
		Time: uint64(s.options.Now().Unix())})
	if err != nil {
		return err
	}
	if err := batch.Put(endingKey(one.Hash), raw); err != nil {
		return err
	}
	return batch.Put(sequenceKey(prefixEndingOrder, s.sequence), one.Hash[:])
}

func (s *Store) readEnding(hash common.Hash) (stored, bool, error) {
	known, err := s.db.Has(endingKey(hash))
	if err != nil || !known {
		return stored{}, false, err
	}
	raw, err := s.db.Get(endingKey(hash))
	if err != nil {
		return stored{}, false, fmt.Errorf("read ending of %s: %w", hash, err)
	}
	var found stored
	if err := rlp.DecodeBytes(raw, &found); err != nil {
		return stored{}, false, fmt.Errorf("decode ending of %s: %w", hash, err)
	}
	return found, true, nil
}

// forgetEndings removes the oldest endings that exceed the maximum number or age.
func (s *Store) forgetEndings() error {
	type aged struct {
		sequence uint64
		hash     common.Hash
	}
	s.mu.Lock()
	surplus := s.endings - s.options.Endings
	s.mu.Unlock()
	var old []aged
	var readErr error
	err := iterate(s.db, prefixEndingOrder, func(sequence uint64, hash []byte) bool {
		one := aged{sequence: sequence, hash: common.BytesToHash(hash)}
		if len(old) >= surplus {
			found, known, err := s.readEnding(one.hash)
			if readErr = err; err != nil || (known && !s.expired(found)) {
				return false
			}
		}
		old = append(old, one)
		return true
	})
	if err != nil || readErr != nil || len(old) == 0 {
		return cmp.Or(err, readErr)
	}
	return s.update("forget endings", func(batch ethdb.Batch) error {
		for _, one := range old {
			if err := cmp.Or(batch.Delete(sequenceKey(prefixEndingOrder, one.sequence)), batch.Delete(endingKey(one.hash))); err != nil {
				return err
			}
		}
		s.endings -= len(old)
		return nil
	})
}

func (s *Store) expired(one stored) bool {
	return s.options.Now().Sub(time.Unix(int64(one.Time), 0)) > s.options.EndingAge
}

func (s *Store) loadEndings() error {
	return iterate(s.db, prefixEndingOrder, func(sequence uint64, _ []byte) bool {
		s.endings++
		s.sequence = max(s.sequence, sequence)
		return true
	})
}

func endingKey(hash common.Hash) []byte { return append([]byte{prefixEnding}, hash[:]...) }
