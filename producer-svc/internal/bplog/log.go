// Package bplog is the blueprint log: the durable record of what the chain is made of, and the place where a
// preblock becomes decided for this process. A record is on disk when Append returns.
//
// It guarantees: numbers are contiguous from 1; each record's parent is the head its caller showed; a number never
// gets a second content; fencing tokens do not decrease, and a token is used by one holder only, so that a holder that lost
// the consumption lock cannot write any more, even when Redis has handed out a token twice. A followed record was written
// without the lock: what the DSN had fixed already needs no fence, and it carries the highest token known, so that the
// next one minted is above it. Its methods may be called from any goroutine.
package bplog

import (
	"errors"
	"fmt"
	"sync"

	"blindseq/kit/content"
	"blindseq/kit/wal"
	"blindseq/producer-svc/logrecord"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/protobuf/proto"
)

// defaultRequests is how many of the last request ids are remembered: at 20 blocks a second, over an hour of them.
const defaultRequests = 100_000

// Options of a log; the zero value is good.
type Options struct {
	Requests int         // how many of the last records can be found by request id, default 100,000
	WAL      wal.Options // of the file underneath
}

// Log is an open blueprint log.
type Log struct {
	wal *wal.Log

	mu       sync.RWMutex
	token    uint64 // of the last record
	holder   string
	requests *requestIndex
}

// Open opens the log in dir, creating it if need be, and reads its last records for the request index.
func Open(dir string, o Options) (*Log, error) {
	if o.Requests == 0 {
		o.Requests = defaultRequests
	}
	w, err := wal.Open(dir, o.WAL)
	if err != nil {
		return nil, fmt.Errorf("open blueprint log: %w", err)
	}
	l := &Log{wal: w, requests: newRequestIndex(o.Requests)}
	if err := l.load(o.Requests); err != nil {
		return nil, errors.Join(fmt.Errorf("open blueprint log: %w", err), w.Close())
	}
	return l, nil
}

func (l *Log) load(requests int) error {
	last := l.wal.Last()
	from := uint64(1)
	if last > uint64(requests) {
		from = last - uint64(requests) + 1
	}
	return l.wal.Range(from, func(number uint64, raw []byte) error {
		rec, err := decode(number, raw)
		if err != nil {
			return err
		}
		l.remember(rec)
		return nil
	})
}

// Append makes rec durable as the next record. head is the hash of the block before it as the caller's chain has it.
// The errors are those of this package, or of package wal when the disk failed; after one of those nothing more can
// be appended until the log is reopened.
func (l *Log) Append(rec *blueprintv1.LogRecord, head content.Hash) error {
	l.mu.Lock()
	return l.append(rec, head)
}

// AppendFollowed makes the record of a preblock durable that the DSN is known to have fixed. token is the highest that the
// caller knows of elsewhere, 0 for none; the record is given that or the log's last, and marked.
func (l *Log) AppendFollowed(rec *blueprintv1.LogRecord, head content.Hash, token uint64) error {
	durable, err := l.BeginFollowed(rec, head, token)
	if err != nil {
		return err
	}
	return durable()
}

// BeginFollowed is AppendFollowed for a caller that executes the record while the disk works. durable waits until the record is on the
// disk. It must be called, once, before anything of the record is written elsewhere.
func (l *Log) BeginFollowed(rec *blueprintv1.LogRecord, head content.Hash, token uint64) (durable func() error, err error) {
	l.mu.Lock()
	rec.Followed, rec.Token, rec.Holder = true, l.token, l.holder
	if token > l.token {
		rec.Token, rec.Holder = token, ""
	}
	return l.begin(rec, head)
}

// append returns when a record is durable. It takes over mu.
func (l *Log) append(rec *blueprintv1.LogRecord, head content.Hash) error {
	durable, err := l.begin(rec, head)
	if err != nil {
		return err
	}
	return durable()
}

// begin takes over mu, and gives it back with an error or from durable.
func (l *Log) begin(rec *blueprintv1.LogRecord, head content.Hash) (durable func() error, err error) {
	written, err := l.write(rec, head)
	if err != nil {
		l.mu.Unlock()
		return nil, fmt.Errorf("append blueprint %d: %w", rec.GetNumber(), err)
	}
	return func() error {
		defer l.mu.Unlock()
		if err := written(); err != nil {
			return fmt.Errorf("append blueprint %d: %w", rec.GetNumber(), err)
		}
		l.remember(rec)
		return nil
	}, nil
}

func (l *Log) write(rec *blueprintv1.LogRecord, head content.Hash) (durable func() error, err error) {
	if err := l.admit(rec, head); err != nil {
		return nil, err
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec)
	if err != nil {
		return nil, err
	}
	return l.wal.Begin(rec.GetNumber(), raw)
}

// admit decides whether rec may be the next record.
func (l *Log) admit(rec *blueprintv1.LogRecord, head content.Hash) error {
	tip := logrecord.Tip{Last: l.wal.Last(), Token: l.token, Holder: l.holder}
	if err := tip.Admit(rec, head); !errors.Is(err, logrecord.ErrKnown) {
		return err
	}
	have, err := l.Get(rec.GetNumber())
	if err != nil {
		return err
	}
	return logrecord.Repeats(have, rec)
}

func (l *Log) remember(rec *blueprintv1.LogRecord) {
	l.token, l.holder = rec.GetToken(), rec.GetHolder()
	l.requests.add(rec.GetRequestId(), rec.GetNumber())
}

// Get reads a record.
func (l *Log) Get(number uint64) (*blueprintv1.LogRecord, error) {
	raw, err := l.wal.Read(number)
	if errors.Is(err, wal.ErrNotFound) {
		return nil, fmt.Errorf("read blueprint %d: %w", number, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read blueprint %d: %w", number, err)
	}
	return decode(number, raw)
}

func decode(number uint64, raw []byte) (*blueprintv1.LogRecord, error) {
	rec := new(blueprintv1.LogRecord)
	if err := proto.Unmarshal(raw, rec); err != nil {
		return nil, fmt.Errorf("read blueprint %d: %w: %w", number, logrecord.ErrMalformed, err)
	}
	if rec.GetNumber() != number {
		return nil, fmt.Errorf("read blueprint %d: %w: it says it is %d", number, logrecord.ErrMalformed, rec.GetNumber())
	}
	return rec, nil
}

// Torn says what Open cut off; nil when it found nothing torn.
func (l *Log) Torn() *wal.TornTail { return l.wal.Torn() }

// Last is the number of the last record, 0 for an empty log.
func (l *Log) Last() uint64 { return l.wal.Last() }

// LastToken is the fencing token of the last record, 0 for an empty log. A new token must be above it.
func (l *Log) LastToken() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.token
}

// ByRequest finds the blueprint that a request id gave, among the last Options.Requests records.
func (l *Log) ByRequest(id string) (number uint64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.requests.find(id)
}

// Close closes the log; every later append and read fails.
func (l *Log) Close() error {
	if err := l.wal.Close(); err != nil {
		return fmt.Errorf("close blueprint log: %w", err)
	}
	return nil
}
