package core

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"blindseq/kit/wal"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
)

// store is the log of accepted proposals: record n is the Preblock message of number n.
type store struct{ log *wal.Log }

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
	return &store{log: log}, nil
}

func (s *store) first() uint64 { return s.log.First() }
func (s *store) last() uint64  { return s.log.Last() }
func (s *store) close() error  { return s.log.Close() }

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
