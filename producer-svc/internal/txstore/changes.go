package txstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// What a Change says.
type ChangeKind uint8

const (
	ChangeTransaction ChangeKind = iota + 1 // acknowledged
	ChangeSealed                            // the same, sealed
	ChangeDelayed
	ChangeEnded // left the pool and is in no block
)

// Change is one thing that a standby must know to keep what this store promised.
type Change struct {
	Kind     ChangeKind
	Position uint64
	Raw      []byte      // nil for ChangeEnded
	Hash     common.Hash // of ChangeEnded
	Reason   string      // the same
}

// After gives the changes after a position, oldest first: at most limit of them, and bytes of them or one. upTo is the
// position they reach to, and all says that nothing is left. What has meanwhile gone into a block is not among them: the
// DSN has it.
func (s *Store) After(position uint64, limit, size int) (changes []Change, upTo uint64, all bool, err error) {
	top, _ := s.Position()
	kinds := map[byte]ChangeKind{prefixTransaction: ChangeTransaction, prefixSealed: ChangeSealed, prefixDelayed: ChangeDelayed, prefixEndingOrder: ChangeEnded}
	for prefix, kind := range kinds {
		count := 0
		err := iterateFrom(s.db, prefix, position+1, func(sequence uint64, value []byte) bool {
			if sequence > top || count > limit {
				return false
			}
			count++
			changes = append(changes, Change{Kind: kind, Position: sequence, Raw: bytes.Clone(value)})
			return true
		})
		if err != nil {
			return nil, 0, false, err
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return int(int64(a.Position - b.Position)) })
	cut := fitting(changes, limit, size)
	upTo, all = top, cut == len(changes)
	if !all {
		upTo = changes[cut-1].Position
	}
	changes, err = s.ends(changes[:cut])
	return changes, upTo, all, err
}

// fitting is how many of the first changes are within the limits, one at least.
func fitting(changes []Change, limit, size int) int {
	for i, one := range changes {
		if size -= len(one.Raw); i > 0 && (i >= limit || size < 0) {
			return i
		}
	}
	return len(changes)
}

// ends reads the endings that were found, and leaves out what has not ended, or ended in a block.
func (s *Store) ends(changes []Change) (kept []Change, err error) {
	for _, one := range changes {
		if one.Kind != ChangeEnded {
			kept = append(kept, one)
			continue
		}
		hash := common.BytesToHash(one.Raw)
		ending, known, err := s.Ending(hash)
		if err != nil {
			return nil, err
		}
		if known && ending.Kind != Skipped && !s.holds(hash) {
			kept = append(kept, Change{Kind: ChangeEnded, Position: one.Position, Hash: hash, Reason: ending.Reason})
		}
	}
	return kept, nil
}

// Position is that of the last change, and a channel that is closed at the next one.
func (s *Store) Position() (last uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sequence, s.changed.Changed()
}

// ConfirmWith has every acknowledgement wait, after it is durable here, until confirm returns for its position. Call it
// before the first Add.
func (s *Store) ConfirmWith(confirm func(position uint64) error) { s.confirm = confirm }

// TellEnded has what ended told, after it is recorded. Call it before the first End.
func (s *Store) TellEnded(ended func(hashes ...common.Hash)) { s.ended = ended }

// Keep stores what another store promised and forgets what ended there, durable when it returns. Nothing is confirmed.
func (s *Store) Keep(changes []Change) error {
	groups := map[ChangeKind][]Tx{}
	var ended []Ending
	for _, one := range changes {
		if one.Kind == ChangeEnded {
			ended = append(ended, Ending{Hash: one.Hash, Kind: Dropped, Reason: one.Reason})
			continue
		}
		groups[one.Kind] = append(groups[one.Kind], Tx{Hash: HashOf(one.Raw), Raw: one.Raw})
	}
	err := cmp.Or(
		s.write(&s.acked, groups[ChangeTransaction]), s.write(&s.sealed, groups[ChangeSealed]), s.write(&s.delayed, groups[ChangeDelayed]))
	if err == nil {
		err = s.endKept(ended)
	}
	return cmp.Or(err, s.sync())
}

// endKept records the ends of those that are kept here; of others nothing was promised here.
func (s *Store) endKept(ended []Ending) error {
	return s.End(slices.DeleteFunc(ended, func(one Ending) bool { return !s.holds(one.Hash) }))
}

// Hashes are those of everything promised and not ended.
func (s *Store) Hashes() map[common.Hash]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[common.Hash]bool, len(s.acked.byHash)+len(s.sealed.byHash)+len(s.delayed.byHash))
	for _, l := range []*list{&s.acked, &s.sealed, &s.delayed} {
		for hash := range l.byHash {
			all[hash] = true
		}
	}
	return all
}

// iterateFrom is iterate from a sequence on.
func iterateFrom(db ethdb.KeyValueStore, prefix byte, from uint64, visit func(sequence uint64, value []byte) bool) error {
	return walk(db.NewIterator([]byte{prefix}, binary.BigEndian.AppendUint64(nil, from)), visit)
}
