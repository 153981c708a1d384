// Package txstore stores on disk what was promised to users: acknowledged transactions that are in no block yet, sealed and
// delayed transactions, the endings of transactions that are in no block, and the lock of the pool.
//
// It guarantees: when Add, AddSealed, AddDelayed or SetLocked returns nil, the change survives a crash of the process and of
// the machine; concurrent callers share one fsync. Removals and endings are written without an fsync: those lost in a crash
// are derived from the chain again. The order of arrival survives restarts. After a failed write nothing is acknowledged any
// more (ErrBroken), because the state of the disk is unknown.
//
// It asks of callers: one Store in one process.
package txstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/notify"
	"blindseq/producer-svc/internal/dbwrite"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/pebble"
)

var (
	// ErrFull: a limit of Options is reached; what is stored has to leave first.
	ErrFull = errors.New("transaction store is full")
	// ErrBroken: an earlier write failed.
	ErrBroken = errors.New("transaction store failed and must be opened again")
)

// Tx is a transaction as it came.
type Tx struct {
	Hash common.Hash // HashOf(Raw)
	Raw  []byte
}

// Options bounds the store. Zero fields take the defaults.
type Options struct {
	Transactions     int           // acknowledged and not ended; default 200,000
	TransactionBytes int64         // their bytes; default 128 MiB
	Delayed          int           // default 10,000
	DelayedBytes     int64         // default 32 MiB
	Endings          int           // the oldest are forgotten beyond; default 200,000
	EndingAge        time.Duration // forgotten after; default 7 days
	Now              func() time.Time
	Broken           func(error) // called once, when a write has failed; must not block
}

func (o Options) withDefaults() Options {
	setDefault(&o.Transactions, 200_000)
	setDefault(&o.TransactionBytes, 128<<20)
	setDefault(&o.Delayed, 10_000)
	setDefault(&o.DelayedBytes, 32<<20)
	setDefault(&o.Endings, 200_000)
	setDefault(&o.EndingAge, 7*24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Broken == nil {
		o.Broken = func(error) {}
	}
	return o
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Key prefixes. Sequence numbers are big-endian, so that iteration is in order of arrival.
const (
	prefixTransaction = 'a' // + sequence -> raw
	prefixDelayed     = 'd' // + sequence -> raw
	prefixSealed      = 'b' // + sequence -> raw
	prefixEnding      = 'o' // + hash -> Ending
	prefixEndingOrder = 'q' // + sequence -> hash
	keyLocked         = "l" // reason; absent when not locked

	databaseCacheMiB  = 16
	databaseFileLimit = 64
)

// Store is an open store. Its methods may be called from any goroutine.
type Store struct {
	options Options
	db      ethdb.KeyValueStore

	mu       sync.Mutex
	sequence uint64 // the last one given, of all kinds
	acked    list
	delayed  list
	sealed   list
	endings  int
	locked   bool
	reason   string
	broken   error
	changed  notify.Broadcast // at each change

	confirm func(position uint64) error
	ended   func(hashes ...common.Hash)
}

// Open opens or creates the store in dir.
func Open(dir string, options Options) (*Store, error) {
	db, err := pebble.New(dir, databaseCacheMiB, databaseFileLimit, "", false)
	if err != nil {
		return nil, fmt.Errorf("open transaction store in %s: %w", dir, err)
	}
	s := &Store{options: options.withDefaults(), db: db, acked: newList(prefixTransaction), delayed: newList(prefixDelayed), sealed: newList(prefixSealed),
		confirm: func(uint64) error { return nil }, ended: func(...common.Hash) {}}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open transaction store in %s: %w", dir, err), db.Close())
	}
	return s, nil
}

// Close closes the store. One that is broken is left as it is: the database may hold locks that it will never give back.
func (s *Store) Close() error {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken != nil {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close transaction store: %w", err)
	}
	return nil
}

func (s *Store) load() error {
	for _, l := range []*list{&s.acked, &s.delayed, &s.sealed} {
		last, err := l.load(s.db)
		if err != nil {
			return err
		}
		s.sequence = max(s.sequence, last)
	}
	if err := s.loadEndings(); err != nil {
		return err
	}
	locked, err := s.db.Has([]byte(keyLocked))
	if err != nil || !locked {
		return err
	}
	reason, err := s.db.Get([]byte(keyLocked))
	s.locked, s.reason = true, string(reason)
	return err
}

// sync makes everything written before durable. Pebble lets callers that wait at the same time share one fsync.
func (s *Store) sync() error {
	if err := dbwrite.Do(s.db.SyncKeyValue); err != nil {
		return s.fail(err)
	}
	return nil
}

// makeDurable syncs what was written up to a position, and waits for the standbys that must have it too.
func (s *Store) makeDurable(position uint64) error {
	if err := s.sync(); err != nil {
		return err
	}
	return s.confirm(position)
}

func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breakDown(err)
}

// breakDown is fail for callers that hold the mutex.
func (s *Store) breakDown(err error) error {
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: %w", ErrBroken, err)
		s.options.Broken(s.broken)
	}
	return s.broken
}

// SetLocked locks or unlocks the pool: while it is locked nothing is proposed. Durable when it returns.
func (s *Store) SetLocked(locked bool, reason string) error {
	s.mu.Lock()
	err := s.broken
	if err == nil {
		if locked {
			err = dbwrite.Do(func() error { return s.db.Put([]byte(keyLocked), []byte(reason)) })
		} else {
			reason, err = "", dbwrite.Do(func() error { return s.db.Delete([]byte(keyLocked)) })
		}
		if err != nil {
			err = s.breakDown(err)
		}
	}
	s.mu.Unlock()
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		return fmt.Errorf("lock pool: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked, s.reason = locked, reason
	return nil
}

// Locked says whether the pool is locked, and why.
func (s *Store) Locked() (locked bool, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked, s.reason
}

func sequenceKey(prefix byte, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, sequence)
}
