package voter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// adoption is one number's statement that was followed instead of the one signed.
type adoption struct {
	statement attest.Statement
	record    uint64 // its place in the log
}

// adoptions is the log of them, in the order of their numbers: record k is the Adopted message of the k-th. They are few:
// each stands for a proposal that a sequencer lost. Voter.mu guards what is not log.
type adoptions struct {
	log      *wal.Log
	numbers  []uint64 // ascending; record k is about numbers[k-1]
	byNumber map[uint64]adoption
}

func openAdoptions(ctx context.Context, o Options) (*adoptions, error) {
	log, err := wal.Open(filepath.Join(o.Dir, "adopted"), wal.Options{OnSync: o.OnAppend, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open adoptions: %w", err)
	}
	if torn := log.Torn(); torn != nil {
		o.Log.WarnContext(ctx, "cut off an adoption that was being written at a crash; it had not been answered",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "record", torn.Number)
	}
	a := &adoptions{log: log, byNumber: map[uint64]adoption{}}
	if err := a.load(o.Committee); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return a, nil
}

func (a *adoptions) load(c *committee.Committee) error {
	for k := uint64(1); k <= a.log.Last(); k++ {
		message, err := a.at(k)
		if err != nil {
			return err
		}
		statement, err := verifyAdopted(c, message)
		if err != nil {
			return fmt.Errorf("adoption %d in the log: %w: %w", k, ErrOtherCommittee, err)
		}
		a.remember(statement, k)
	}
	return nil
}

// verifyAdopted returns the statement that a content's certificate shows.
func verifyAdopted(c *committee.Committee, m *keyholderv1.Adopted) (attest.Statement, error) {
	if _, err := attest.VerifyPreblock(c, &preblockv1.Preblock{Content: m.GetContent(), Certificate: m.GetCertificate()}); err != nil {
		return attest.Statement{}, err
	}
	return attest.StatementOf(c, m.GetContent(), common.Hash(m.GetCertificate().GetPreviousPayloadHash())), nil
}

func (a *adoptions) remember(s attest.Statement, record uint64) {
	a.byNumber[s.Number], a.numbers = adoption{s, record}, append(a.numbers, s.Number)
}

// last is the last number adopted, 0 when there is none.
func (a *adoptions) last() uint64 {
	if len(a.numbers) == 0 {
		return 0
	}
	return a.numbers[len(a.numbers)-1]
}

// of returns what was adopted for a number.
func (a *adoptions) of(number uint64) (adoption, bool) {
	found, ok := a.byNumber[number]
	return found, ok
}

// statement is what was adopted for a number, zero when nothing was.
func (a *adoptions) statement(number uint64) attest.Statement { return a.byNumber[number].statement }

func (a *adoptions) append(s attest.Statement, m *keyholderv1.Adopted) error {
	record := a.log.Next()
	b, err := proto.Marshal(m)
	if err == nil {
		err = a.log.Append(record, b)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	a.remember(s, record)
	return nil
}

func (a *adoptions) at(record uint64) (*keyholderv1.Adopted, error) {
	b, err := a.log.Read(record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	m := new(keyholderv1.Adopted)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: decode adoption %d: %w", ErrStorage, record, err)
	}
	return m, nil
}

func (a *adoptions) close() error {
	if a == nil { // the voter was not opened yet
		return nil
	}
	return a.log.Close()
}
