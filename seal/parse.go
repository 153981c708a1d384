package seal

import (
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
)

// Parse reads a sealed transaction. It refuses bytes with ErrType, ErrEncoding or ErrSize. The result does not refer to b.
func Parse(b []byte) (*Sealed, error) {
	s, payload, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("parse sealed transaction: %w", err)
	}
	s.payload = append([]byte(nil), payload...)
	s.header = s.Header.encode()
	s.id = s.computeID()
	return s, nil
}

// ParseHeader reads the header of a sealed transaction, and refuses what Parse refuses. It computes no id, so it costs less.
func ParseHeader(b []byte) (Header, error) {
	s, _, err := parse(b)
	if err != nil {
		return Header{}, fmt.Errorf("parse sealed transaction: %w", err)
	}
	return s.Header, nil
}

// parse reads all fields. The payload refers to b.
func parse(b []byte) (s *Sealed, payload []byte, err error) {
	if len(b) == 0 || b[0] != Type {
		return nil, nil, ErrType
	}
	fields, rest, err := rlp.SplitList(b[1:])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if len(rest) != 0 {
		return nil, nil, fmt.Errorf("%w: %d bytes after the end", ErrEncoding, len(rest))
	}
	s = new(Sealed)
	r := reader{rest: fields}
	s.ChainID = r.number()
	r.fixed(s.Key[:])
	r.fixed(s.Submitter[:])
	for _, n := range [...]*uint64{&s.Seq, &s.Gas, &s.Fee, &s.Expiry} {
		*n = r.number()
	}
	for _, field := range [...]*[32]byte{&s.u, &s.uBar, &s.w, &s.wBar, &s.f} {
		r.fixed(field[:])
	}
	payload = r.bytes()
	r.fixed(s.signature[:])
	if err := r.end(); err != nil {
		return nil, nil, err
	}
	if !isSizeClass(len(payload) - payloadOverhead) {
		return nil, nil, fmt.Errorf("%w: a payload of %d bytes", ErrSize, len(payload))
	}
	return s, payload, nil
}

// A reader takes strings off the fields of a list and keeps the first error. The RLP library refuses prefixes that are not
// the shortest, and numbers with leading zeros or over 8 bytes.
type reader struct {
	rest  []byte
	field int
	err   error
}

func (r *reader) number() (n uint64) {
	if r.err == nil {
		n, r.rest, r.err = rlp.SplitUint64(r.rest)
		r.done()
	}
	return n
}

func (r *reader) bytes() (b []byte) {
	if r.err == nil {
		b, r.rest, r.err = rlp.SplitString(r.rest)
		r.done()
	}
	return b
}

func (r *reader) fixed(dst []byte) {
	b := r.bytes()
	if r.err == nil && len(b) != len(dst) {
		r.err = fmt.Errorf("%w: field %d has %d bytes, want %d", ErrEncoding, r.field, len(b), len(dst))
	}
	copy(dst, b)
}

// done counts a field, and names it in its error.
func (r *reader) done() {
	r.field++
	if r.err != nil {
		r.err = fmt.Errorf("%w: field %d: %w", ErrEncoding, r.field, r.err)
	}
}

func (r *reader) end() error {
	if r.err == nil && len(r.rest) != 0 {
		return fmt.Errorf("%w: more than %d fields", ErrEncoding, r.field)
	}
	return r.err
}
