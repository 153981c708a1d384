// Package convictions keeps evidence against keyholders on disk.
//
// It guarantees that a record is durable when Add returns, that only evidence that verifies is kept, and that a keyholder
// that misbehaves at every number does not fill the disk: the first MaxPerKind records of a kind are kept.
package convictions

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/committee"
	"blindseq/seal/evidence"

	"google.golang.org/protobuf/proto"
)

// MaxPerKind is how many records of one kind against one keyholder are kept.
const MaxPerKind = 16

type caseKey struct {
	authority uint32
	kind      string
}

// Book is an open record of convictions. Its methods may be called from any goroutine.
type Book struct {
	committee *committee.Committee
	log       *slog.Logger

	mu    sync.Mutex
	wal   *wal.Log
	known map[caseKey]map[uint64]bool // the numbers of the records kept
}

// Open opens the convictions in dir.
func Open(dir string, c *committee.Committee, log *slog.Logger) (*Book, error) {
	l, err := wal.Open(dir, wal.Options{})
	if err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	b := &Book{committee: c, log: log, wal: l, known: map[caseKey]map[uint64]bool{}}
	for n := l.First(); n != 0 && n <= l.Last(); n++ {
		e, err := b.read(n)
		if err != nil {
			_ = l.Close() // the damage is what matters
			return nil, fmt.Errorf("open evidence: %w", err)
		}
		b.note(e)
	}
	return b, nil
}

func (b *Book) read(n uint64) (*keyholderv1.Evidence, error) {
	record, err := b.wal.Read(n)
	if err != nil {
		return nil, err
	}
	e := &keyholderv1.Evidence{}
	if err := proto.Unmarshal(record, e); err != nil {
		return nil, fmt.Errorf("decode evidence %d: %w", n, err)
	}
	return e, nil
}

func (b *Book) note(e *keyholderv1.Evidence) {
	key := caseKey{e.GetAuthority(), evidence.Kind(e)}
	if b.known[key] == nil {
		b.known[key] = map[uint64]bool{}
	}
	b.known[key][e.GetNumber()] = true
}

// Add keeps a record unless there is one of its kind, keyholder and number, or there are enough of its kind already.
func (b *Book) Add(ctx context.Context, e *keyholderv1.Evidence) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.known[caseKey{e.GetAuthority(), evidence.Kind(e)}]
	if known[e.GetNumber()] || len(known) >= MaxPerKind {
		return nil
	}
	if err := evidence.Verify(b.committee, e); err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	record, err := proto.Marshal(e)
	if err == nil {
		err = b.wal.Append(b.wal.Last()+1, record)
	}
	if err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	b.note(e)
	b.log.ErrorContext(ctx, "keyholder convicted; evidence kept", "authority", e.GetAuthority(), "kind", evidence.Kind(e),
		"number", e.GetNumber(), "record", b.wal.Last())
	return nil
}

// All returns every record, oldest first.
func (b *Book) All() ([]*keyholderv1.Evidence, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*keyholderv1.Evidence
	for n := b.wal.First(); n != 0 && n <= b.wal.Last(); n++ {
		e, err := b.read(n)
		if err != nil {
			return nil, fmt.Errorf("read evidence: %w", err)
		}
		out = append(out, e)
	}
	return out, nil
}

// Close closes the convictions.
func (b *Book) Close() error { return b.wal.Close() }
