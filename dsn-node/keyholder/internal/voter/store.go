package voter

import (
	"context"
	"fmt"
	"path/filepath"

	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"google.golang.org/protobuf/proto"
)

// record is one attestation with what it is about.
type record struct {
	statement attest.Statement
	attested  *keyholderv1.Attested
	content   *preblockv1.Content
}

// store is the log of attestations: record n is the GetAttestedResponse message of number n.
type store struct {
	log       *wal.Log
	committee *committee.Committee
}

func openStore(ctx context.Context, o Options) (*store, error) {
	log, err := wal.Open(filepath.Join(o.Dir, "attested"), wal.Options{First: o.Committee.First, OnSync: o.OnAppend, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open attestations: %w", err)
	}
	if torn := log.Torn(); torn != nil {
		o.Log.WarnContext(ctx, "cut off an attestation that was being written at a crash; it had not been given",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "number", torn.Number)
	}
	return &store{log: log, committee: o.Committee}, nil
}

func (s *store) last() uint64 { return s.log.Last() }
func (s *store) close() error { return s.log.Close() }

func (s *store) append(r *record) error {
	b, err := proto.Marshal(&keyholderv1.GetAttestedResponse{Attested: r.attested, Content: r.content})
	if err == nil {
		err = s.log.Append(r.statement.Number, b)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// message reads a record as it was written.
func (s *store) message(number uint64) (*keyholderv1.GetAttestedResponse, error) {
	b, err := s.log.Read(number)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	m := new(keyholderv1.GetAttestedResponse)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: decode attestation %d: %w", ErrStorage, number, err)
	}
	return m, nil
}

// read reads a record and checks its signature, which also tells a directory of another committee.
func (s *store) read(number uint64) (*record, error) {
	m, err := s.message(number)
	if err != nil {
		return nil, err
	}
	statement, err := attest.Read(s.committee, m.GetAttested())
	if err != nil {
		return nil, fmt.Errorf("attestation %d in the log: %w: %w", number, ErrOtherCommittee, err)
	}
	return &record{statement: statement, attested: m.GetAttested(), content: m.GetContent()}, nil
}
