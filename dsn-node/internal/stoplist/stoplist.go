// Package stoplist knows where each ciphertext stands first in the attested order, so that it is opened there and nowhere
// else.
//
// # What must never be opened twice, and why
//
// Decryption shares depend on a ciphertext's point U alone (te.Ciphertext.ID), not on the bundle around it. A bundle is
// worth its encryption only while whoever fixes its place cannot read it. Once shares for a U were released, everybody who
// saw them can read every bundle with this U; if such a bundle were opened again at another place, that place was fixed by
// people who knew what it says. Two ways lead there, and both end here:
//
//   - a transaction that was opened and then skipped by the chain (its nonce was not due, its sender had too little) is
//     ordered again where it pleases the one who read it;
//   - somebody copies the ciphertext of a waiting bundle into a bundle of his own, has that ordered, reads the plain text out
//     of its opening, and only then lets the original in.
//
// So the first place of a U is the only one, and what counts is the place in the order: asking again for the shares of the
// same place is a repeat. Only ciphertexts whose proof holds enter the list; others are never opened, and a copy of U with a
// proof made up must not bar the original.
//
// The list is a function of the final contents, in their order: those attested or, where a keyholder attested what was not
// certified, those adopted instead, which Forget makes room for. Therefore all honest keyholders have the same one, the
// sequencer can tell which bundles will be opened before it asks, and nothing here needs an fsync: the log of contents is
// what is durable, and what is missing here after a crash of the machine is derived from it again. (What was added outlives
// the process: making it again would verify ciphertexts while blocks wait.) A directory that is lost or damaged may be
// deleted. It is on disk and not in memory because it grows with the chain and must forget nothing: an entry that is
// dropped would be a ciphertext that can be opened again.
package stoplist

import (
	"encoding/binary"
	"errors"
	"fmt"

	"blindseq/seal/outcome"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"
	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrOrder says that contents were added out of order.
	ErrOrder = errors.New("contents must be added in order")
	// ErrStorage says that the list could not be written or read.
	ErrStorage = errors.New("stop list failed")
)

// Keys in the store: 'c' and a ciphertext's id to its Place, 'n' to the last number of which everything is in, and 'f' to
// how often the end of the list was forgotten.
const (
	prefixCiphertext = 'c'
	keyApplied       = 'n'
	keyForgotten     = 'f'
)

// List is an open stop list. One goroutine adds; any may look up.
type List struct {
	db      *pebble.DB
	applied uint64
	written uint64 // applied, as it is in the store

	forgotten uint64
}

// Entry is a ciphertext whose proof holds, and its index in a content.
type Entry struct {
	ID    common.Hash
	Index uint32
}

// Open opens the list in dir, for contents from a number on.
func Open(dir string, first uint64) (*List, error) { return openIn(vfs.Default, dir, first) }

func openIn(fs vfs.FS, dir string, first uint64) (*List, error) {
	db, err := pebble.Open(dir, &pebble.Options{FS: files{fs}, Logger: silent{}, MemTableSize: 4 << 20, MaxOpenFiles: 64})
	if err != nil {
		return nil, fmt.Errorf("open stop list: %w: %w", ErrStorage, err)
	}
	l := &List{db: db, applied: first - 1}
	for key, value := range map[byte]*uint64{keyApplied: &l.applied, keyForgotten: &l.forgotten} {
		if err := l.number(key, value); err != nil {
			return nil, errors.Join(fmt.Errorf("open stop list: %w: %w", ErrStorage, err), db.Close())
		}
	}
	l.written = l.applied
	return l, nil
}

// number reads a number, and leaves it as it is when the store has none.
func (l *List) number(key byte, out *uint64) error {
	value, closer, err := l.db.Get([]byte{key})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(value) != 8 {
		return errors.Join(fmt.Errorf("a number of %d bytes", len(value)), closer.Close())
	}
	*out = binary.BigEndian.Uint64(value)
	return closer.Close()
}

// Applied is the last number whose ciphertexts are in the list.
func (l *List) Applied() uint64 { return l.applied }

// First returns where a ciphertext stands first.
func (l *List) First(id common.Hash) (outcome.Place, bool, error) {
	value, closer, err := l.db.Get(ciphertextKey(id))
	if errors.Is(err, pebble.ErrNotFound) {
		return outcome.Place{}, false, nil
	}
	if err != nil {
		return outcome.Place{}, false, fmt.Errorf("look up ciphertext: %w: %w", ErrStorage, err)
	}
	defer closer.Close() // only read
	if len(value) != 12 {
		return outcome.Place{}, false, fmt.Errorf("look up ciphertext: %w: an entry of %d bytes", ErrStorage, len(value))
	}
	return outcome.Place{Number: binary.BigEndian.Uint64(value), Index: binary.BigEndian.Uint32(value[8:])}, true, nil
}

// markEvery bounds how many contents without a ciphertext are gone through again after a restart.
const markEvery = 1024

// Add adds the new ciphertexts of the next number's content: those that First does not know, each once.
func (l *List) Add(number uint64, entries []Entry) error {
	if number != l.applied+1 {
		return fmt.Errorf("add ciphertexts of number %d: %w: expected %d", number, ErrOrder, l.applied+1)
	}
	if len(entries) > 0 || number-l.written >= markEvery {
		if err := l.write(number, entries); err != nil {
			return fmt.Errorf("add ciphertexts of number %d: %w: %w", number, ErrStorage, err)
		}
		l.written = number
	}
	l.applied = number
	return nil
}

// write is atomic: the mark never tells of entries that are not there. A sync is a write to the operating system, see files.
func (l *List) write(number uint64, entries []Entry) error {
	b := l.db.NewBatch()
	defer b.Close() // committed or dropped
	for _, e := range entries {
		place := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, number), e.Index)
		if err := b.Set(ciphertextKey(e.ID), place, nil); err != nil {
			return err
		}
	}
	if err := b.Set([]byte{keyApplied}, binary.BigEndian.AppendUint64(nil, number), nil); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// Forgotten is how often Forget was called since the directory was new.
func (l *List) Forgotten() uint64 { return l.forgotten }

// Forget takes back what was added from a number on: the contents there turned out not to be final, so nothing of them was
// ever opened. It goes through the whole list, which is for something that happens when a sequencer lost its disk.
func (l *List) Forget(from uint64) error {
	if err := l.forget(from); err != nil {
		return fmt.Errorf("forget ciphertexts from number %d: %w: %w", from, ErrStorage, err)
	}
	return nil
}

// forget is atomic: the count never tells of entries that are still there.
func (l *List) forget(from uint64) (err error) {
	b := l.db.NewBatch()
	defer b.Close() // committed or dropped
	entries, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixCiphertext}, UpperBound: []byte{prefixCiphertext + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, entries.Close()) }()
	for ok := entries.First(); ok; ok = entries.Next() {
		value := entries.Value()
		if len(value) != 12 {
			return fmt.Errorf("an entry of %d bytes", len(value))
		}
		if binary.BigEndian.Uint64(value) < from {
			continue
		}
		if err := b.Delete(entries.Key(), nil); err != nil {
			return err
		}
	}
	applied := min(l.applied, from-1)
	for key, value := range map[byte]uint64{keyApplied: applied, keyForgotten: l.forgotten + 1} {
		if err := b.Set([]byte{key}, binary.BigEndian.AppendUint64(nil, value), nil); err != nil {
			return err
		}
	}
	if err := errors.Join(entries.Error(), b.Commit(pebble.Sync)); err != nil {
		return err
	}
	l.applied, l.written, l.forgotten = applied, applied, l.forgotten+1
	return nil
}

// Close closes the list.
func (l *List) Close() error {
	if err := l.db.Close(); err != nil {
		return fmt.Errorf("close stop list: %w", err)
	}
	return nil
}

func ciphertextKey(id common.Hash) []byte { return append([]byte{prefixCiphertext}, id[:]...) }

// silent drops the store's chatter; its errors come back from the calls.
type silent struct{}

func (silent) Infof(string, ...any) {}

// Fatalf is called when the store's background work meets an error that it cannot return; continuing could lose entries.
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf("stop list: "+format, args...)) }
