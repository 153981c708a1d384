package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"blindseq/kit/wal"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
)

// store is the log of accepted proposals: record n is the Preblock message of number n. With rounds there is a second
// log, of what they decided: record n is a Preblock message with certificate and outcomes only. Two logs, because both have
// one record for each number then, and neither a number that has to be looked for.
type store struct {
	log       *wal.Log
	decisions *wal.Log // nil without rounds
	from      uint64   // first number with a decision
}

func openStore(ctx context.Context, o Options) (*store, error) {
	dir := filepath.Join(o.Dir, "proposals")
	log, err := wal.Open(dir, wal.Options{First: o.First, OnSync: o.OnAppend, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open proposals: %w", err)
	}
	if torn := log.Torn(); torn != nil {
		o.Log.WarnContext(ctx, "cut off a proposal that was being written at a crash; it had not been acknowledged",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "number", torn.Number)
	}
	s := &store{log: log}
	if err := s.openDecisions(ctx, o); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return s, nil
}

func (s *store) openDecisions(ctx context.Context, o Options) error {
	dir := filepath.Join(o.Dir, "decisions")
	if o.Rounds == nil {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("open decisions: %w: preblocks here have certificates, and no keyholders are given", ErrRounds), err)
		}
		return nil
	}
	s.from = o.Rounds.First()
	log, err := wal.Open(dir, wal.Options{First: s.from, OnSync: o.OnAppend, FS: o.FS})
	if err != nil {
		return fmt.Errorf("open decisions: %w", err)
	}
	if torn := log.Torn(); torn != nil {
		o.Log.WarnContext(ctx, "cut off a decision that was being written at a crash; it had not been shown",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "number", torn.Number)
	}
	s.decisions = log
	return nil
}

func (s *store) first() uint64 { return s.log.First() }
func (s *store) last() uint64  { return s.log.Last() }

// decided is the last number that needs no round any more.
func (s *store) decided() uint64 { return s.decisions.Next() - 1 }

func (s *store) close() error {
	if s.decisions == nil {
		return s.log.Close()
	}
	return errors.Join(s.log.Close(), s.decisions.Close())
}

// decide keeps what a round added to a proposal.
func (s *store) decide(p *preblockv1.Preblock) error {
	record, err := proto.Marshal(&preblockv1.Preblock{Certificate: p.GetCertificate(), Outcomes: p.GetOutcomes()})
	if err == nil {
		err = s.decisions.Append(p.GetContent().GetNumber(), record)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// preblock is a proposal with what was decided for it.
func (s *store) preblock(number uint64) (*preblockv1.Preblock, error) {
	p, err := s.read(number)
	if err != nil || s.decisions == nil || number < s.from {
		return p, err
	}
	record, err := s.decisions.Read(number)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	round := &preblockv1.Preblock{}
	if err := proto.Unmarshal(record, round); err != nil {
		return nil, fmt.Errorf("%w: decode decision %d: %w", ErrStorage, number, err)
	}
	return withDecision(p, round), nil
}

func (s *store) append(p *preblockv1.Preblock) error {
	record, err := proto.Marshal(p)
	if err == nil {
		err = s.log.Append(p.GetContent().GetNumber(), record)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

func (s *store) read(number uint64) (*preblockv1.Preblock, error) {
	record, err := s.log.Read(number)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	p := &preblockv1.Preblock{}
	if err := proto.Unmarshal(record, p); err != nil {
		return nil, fmt.Errorf("%w: decode proposal %d: %w", ErrStorage, number, err)
	}
	if p.GetContent().GetNumber() != number {
		return nil, fmt.Errorf("%w: %w", ErrStorage, errors.New("record holds another number's proposal"))
	}
	return p, nil
}
