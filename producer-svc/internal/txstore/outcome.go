package txstore

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
)

// Kind is how a transaction ended that is in no block.
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

// End records outcomes and forgets the acknowledgement of these transactions, both or neither. An outcome replaces an
// earlier one of the same transaction. A stored sealed transaction that is Dropped is recorded as Unordered.
func (s *Store) End(outcomes []Ending) error { return s.record(outcomes, true) }

// Note records outcomes of transactions that have not ended: they are still in the pool and may yet succeed.
func (s *Store) Note(outcomes []Ending) error { return s.record(outcomes, false) }

func (s *Store) record(outcomes []Ending, ended bool) error {
	if len(outcomes) == 0 {
		return nil
	}
	err := s.update("record outcomes", func(batch ethdb.Batch) error {
		seen := make(map[common.Hash]bool, len(outcomes))
		for _, one := range outcomes {
			if seen[one.Hash] {
				continue
			}
			seen[one.Hash] = true
			if _, sealed := s.sealed.byHash[one.Hash]; sealed && one.Kind == Dropped {
				one.Kind = Unordered
			}
			if err := s.putOutcome(batch, one); err != nil {
				return err
			}
			if !ended {
				continue
			}
			for _, l := range []*list{&s.acked, &s.sealed} {
				if _, err := l.delete(batch, one.Hash); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.forgetOutcomes()
}

// Ending finds how a transaction ended. It is only known of transactions that are in no block, and not for ever.
func (s *Store) Ending(hash common.Hash) (Ending, bool, error) {
	found, ok, err := s.readOutcome(hash)
	if err != nil || !ok {
		return Ending{}, false, err
	}
	return Ending{Hash: hash, Kind: found.Kind, Number: found.Number, Reason: found.Reason}, true, nil
}

func (s *Store) putOutcome(batch ethdb.Batch, one Ending) error {
	earlier, known, err := s.readOutcome(one.Hash)
	if err != nil {
		return err
	}
	if known {
		if err := batch.Delete(sequenceKey(prefixOutcomeOrder, earlier.Sequence)); err != nil {
			return err
		}
	} else {
		s.outcomes++
	}
	s.sequence++
	raw, err := rlp.EncodeToBytes(&stored{Sequence: s.sequence, Kind: one.Kind, Number: one.Number, Reason: one.Reason,
		Time: uint64(s.options.Now().Unix())})
	if err != nil {
		return err
	}
	if err := batch.Put(outcomeKey(one.Hash), raw); err != nil {
		return err
	}
	return batch.Put(sequenceKey(prefixOutcomeOrder, s.sequence), one.Hash[:])
}

func (s *Store) readOutcome(hash common.Hash) (stored, bool, error) {
	known, err := s.db.Has(outcomeKey(hash))
	if err != nil || !known {
		return stored{}, false, err
	}
	raw, err := s.db.Get(outcomeKey(hash))
	if err != nil {
		return stored{}, false, fmt.Errorf("read outcome of %s: %w", hash, err)
	}
	var found stored
	if err := rlp.DecodeBytes(raw, &found); err != nil {
		return stored{}, false, fmt.Errorf("decode outcome of %s: %w", hash, err)
	}
	return found, true, nil
}

// forgetOutcomes removes the oldest while there are too many, or they are too old.
func (s *Store) forgetOutcomes() error {
	type aged struct {
		sequence uint64
		hash     common.Hash
	}
	s.mu.Lock()
	surplus := s.outcomes - s.options.Outcomes
	s.mu.Unlock()
	var old []aged
	var readErr error
	err := iterate(s.db, prefixOutcomeOrder, func(sequence uint64, hash []byte) bool {
		one := aged{sequence: sequence, hash: common.BytesToHash(hash)}
		if len(old) >= surplus {
			found, known, err := s.readOutcome(one.hash)
			if readErr = err; err != nil || (known && !s.expired(found)) {
				return false
			}
		}
		old = append(old, one)
		return true
	})
	if err != nil || readErr != nil || len(old) == 0 {
		return firstError(err, readErr)
	}
	return s.update("forget outcomes", func(batch ethdb.Batch) error {
		for _, one := range old {
			if err := firstError(batch.Delete(sequenceKey(prefixOutcomeOrder, one.sequence)), batch.Delete(outcomeKey(one.hash))); err != nil {
				return err
			}
		}
		s.outcomes -= len(old)
		return nil
	})
}

func (s *Store) expired(one stored) bool {
	return s.options.Now().Sub(time.Unix(int64(one.Time), 0)) > s.options.OutcomeAge
}

func (s *Store) loadOutcomes() error {
	return iterate(s.db, prefixOutcomeOrder, func(sequence uint64, _ []byte) bool {
		s.outcomes++
		s.sequence = max(s.sequence, sequence)
		return true
	})
}

func outcomeKey(hash common.Hash) []byte { return append([]byte{prefixOutcome}, hash[:]...) }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
