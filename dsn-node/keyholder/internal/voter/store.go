package voter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// store is the directory: four logs, so that each vote is one durable write.
//
//	attested    record n is the GetAttestedResponse message of number n: what was attested, or adopted without a signature
//	certified   what was locked, or adopted in the place of what was attested (certificates)
//	views       the last record for a number is the GetAttestedResponse message of all that is held for it, once it is in a view
//	            above 0; it replaces what the two above have, unless it holds only that a view was left
//	restored    the last record is the GetStatusResponse message with the lowest number that is signed for, 0 for none; last_number
//	            is set when attested has, or is about to get, records
type store struct {
	attested  *wal.Log
	certified *certificates
	restored  *wal.Log
	views     *wal.Log
	committee *committee.Committee

	mu     sync.Mutex
	viewed map[uint64]*keyholderv1.GetAttestedResponse // by number, of views
}

func openStore(ctx context.Context, o Options) (_ *store, err error) {
	s := &store{committee: o.Committee, viewed: map[uint64]*keyholderv1.GetAttestedResponse{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.attested, err = openLog(ctx, o, "attested", o.Committee.First); err != nil {
		return nil, err
	}
	if s.restored, err = openLog(ctx, o, "restored", 0); err != nil {
		return nil, err
	}
	if s.views, err = openLog(ctx, o, "views", 0); err != nil {
		return nil, err
	}
	if s.certified, err = openCertificates(ctx, o); err != nil {
		return nil, err
	}
	if last := s.certified.last(); last > s.last() {
		return nil, fmt.Errorf("%w: a certificate of number %d is there, attestations end at %d: empty the whole directory, then the keyholder "+
			"signs only what it cannot have signed before", ErrStorage, last, s.last())
	}
	return s, nil
}

func openLog(ctx context.Context, o Options, name string, first uint64) (*wal.Log, error) {
	log, err := wal.Open(filepath.Join(o.Dir, name), wal.Options{First: first, OnSync: o.OnAppend, FS: o.FS})
	if err != nil {
		return nil, fmt.Errorf("open log of votes: %w", err)
	}
	if torn := log.Torn(); torn != nil {
		o.Log.WarnContext(ctx, "cut off a vote that was being written at a crash; it had not been given",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "record", torn.Number)
	}
	return log, nil
}

func (s *store) last() uint64 { return s.attested.Last() }

func (s *store) close() error {
	var errs []error
	for _, log := range []*wal.Log{s.attested, s.restored, s.views} {
		if log != nil {
			errs = append(errs, log.Close())
		}
	}
	if s.certified != nil {
		errs = append(errs, s.certified.log.Close())
	}
	return errors.Join(errs...)
}

// append keeps what is held for the next number. The first time, it first notes that there is something to lose.
func (s *store) append(number uint64, r *held) error {
	if s.last() == 0 {
		m, err := s.lastRestored()
		if err == nil {
			err = s.restore(m.GetSignsFrom(), number)
		}
		if err != nil {
			return err
		}
	}
	return put(s.attested, number, r.message())
}

// certify keeps the certificate of what is held for the last number, and its content when it is not the attested one.
func (s *store) certify(r *held) error {
	if r.left != nil || r.CertifiedView > 0 {
		return s.keepView(r.Certified.Number, r)
	}
	return s.certified.append(&keyholderv1.Adopted{Content: r.certified, Certificate: r.cert})
}

// read reads what is held for a number.
func (s *store) read(number uint64) (*held, error) {
	m, err := s.message(number)
	if err != nil {
		return nil, err
	}
	r := &held{
		attested: m.GetAttested(), signed: m.GetContent(), certified: m.GetAdopted().GetContent(), cert: m.GetAdopted().GetCertificate(),
	}
	if m.GetViewChange().GetView() > 0 {
		r.left = m.GetViewChange()
	}
	ours := attest.Statement{ChainID: s.committee.ChainID, Committee: s.committee.Hash(), Number: number}
	if a := r.attested; a != nil {
		r.Signed, r.SignedView = ours, a.GetView()
		r.Signed.Previous, r.Signed.Content = common.BytesToHash(a.GetPreviousPayloadHash()), common.BytesToHash(a.GetContentHash())
	}
	if c := r.cert; c != nil {
		r.Certified, r.CertifiedView = ours, c.GetView()
		r.Certified.Previous, r.Certified.Content = common.BytesToHash(c.GetPreviousPayloadHash()), common.BytesToHash(c.GetContentHash())
		r.Final = len(c.GetLocks()) > 0
	}
	return r, nil
}

// message reads the records of a number.
func (s *store) message(number uint64) (*keyholderv1.GetAttestedResponse, error) {
	if m := s.inView(number); m.GetAttested() != nil || m.GetAdopted() != nil {
		return m, nil
	}
	m := new(keyholderv1.GetAttestedResponse)
	if err := get(s.attested, number, m); err != nil {
		return nil, err
	}
	if m.GetAdopted() != nil {
		return m, nil
	}
	adopted, err := s.certified.of(number)
	m.Adopted = adopted
	return m, err
}

// verified reads what is held for a number and checks its signatures, which also tells a directory of another committee.
func (s *store) verified(number uint64) (*held, error) {
	r, err := s.read(number)
	if err != nil {
		return nil, err
	}
	if r.attested != nil {
		_, err = attest.Read(s.committee, r.attested)
	}
	if err == nil && r.cert != nil {
		_, err = attest.VerifyContent(s.committee, r.locked(), r.cert)
	}
	if err != nil {
		return nil, fmt.Errorf("number %d in the log: %w: %w", number, ErrOtherCommittee, err)
	}
	return r, nil
}

// followed is the content that is followed for a number.
func (s *store) followed(number uint64) (*preblockv1.Content, error) {
	r, err := s.read(number)
	if err != nil {
		return nil, err
	}
	return r.content(), nil
}

// resume returns the lowest number that is signed for, 0 for none. When the other logs were emptied, what was restored before
// is void.
func (s *store) resume() (uint64, error) {
	m, err := s.lastRestored()
	if err != nil || s.last() > 0 || m.GetLastNumber() == 0 || m.GetSignsFrom() == 0 {
		return m.GetSignsFrom(), err
	}
	return 0, s.restore(0, 0)
}

func (s *store) lastRestored() (*keyholderv1.GetStatusResponse, error) {
	m := new(keyholderv1.GetStatusResponse)
	if record := s.restored.Last(); record > 0 {
		return m, get(s.restored, record, m)
	}
	return m, nil
}

// restore keeps the lowest number that is signed for, and the last number that something is held for.
func (s *store) restore(signsFrom, last uint64) error {
	return put(s.restored, s.restored.Next(), &keyholderv1.GetStatusResponse{SignsFrom: signsFrom, LastNumber: last})
}

func put(log *wal.Log, record uint64, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err == nil {
		err = log.Append(record, b)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

func get(log *wal.Log, record uint64, m proto.Message) error {
	b, err := log.Read(record)
	if err == nil {
		err = proto.Unmarshal(b, m)
	}
	if err != nil {
		return fmt.Errorf("%w: read record %d: %w", ErrStorage, record, err)
	}
	return nil
}
