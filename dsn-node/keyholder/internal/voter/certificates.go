package voter

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
)

// certificates is a log of Adopted messages, by number, ascending: the certificate that was locked or adopted for the number,
// and its content when it is not the one that was attested. Most numbers have a record, but not all: a keyholder that was slow
// learns that a number is final from the certificate of its locks, and never locks it itself.
type certificates struct {
	log *wal.Log

	mu   sync.Mutex
	runs []run // without gaps, as few as there are
}

// run is records of consecutive numbers, up to the next run.
type run struct{ number, record uint64 }

func openCertificates(ctx context.Context, o Options) (*certificates, error) {
	log, err := openLog(ctx, o, "certified", 0)
	if err != nil {
		return nil, err
	}
	c := &certificates{log: log}
	if err := c.load(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return c, nil
}

func (c *certificates) load() error {
	if c.log.Last() == 0 {
		return nil
	}
	first, err := c.run(1)
	if err != nil {
		return err
	}
	last, err := c.run(c.log.Last())
	if err != nil {
		return err
	}
	return c.between(first, last)
}

// run reads the number of a record.
func (c *certificates) run(record uint64) (run, error) {
	m := new(keyholderv1.Adopted)
	err := get(c.log, record, m)
	return run{m.GetCertificate().GetNumber(), record}, err
}

// between notes the runs from one record to another. Numbers ascend: where they differ as much as their records, there is no gap.
func (c *certificates) between(a, b run) error {
	switch numbers, records := b.number-a.number, b.record-a.record; {
	case b.number < a.number || numbers < records:
		return fmt.Errorf("%w: certificates %d and %d do not ascend", ErrStorage, a.number, b.number)
	case numbers == records:
		c.note(a)
		return nil
	case records == 1:
		c.note(a)
		c.note(b)
		return nil
	}
	middle, err := c.run(a.record + (b.record-a.record)/2)
	if err != nil {
		return err
	}
	return errors.Join(c.between(a, middle), c.between(middle, b))
}

// note adds a record to the runs.
func (c *certificates) note(r run) {
	if n := len(c.runs); n == 0 || r.number-c.runs[n-1].number != r.record-c.runs[n-1].record {
		c.runs = append(c.runs, r)
	}
}

// last is the last number with a record, 0 when there is none.
func (c *certificates) last() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.runs) == 0 {
		return 0
	}
	r := c.runs[len(c.runs)-1]
	return r.number + c.log.Last() - r.record
}

// of returns what was kept for a number, nil when nothing was.
func (c *certificates) of(number uint64) (*keyholderv1.Adopted, error) {
	c.mu.Lock()
	end := c.log.Last() + 1
	next := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].number > number })
	if next < len(c.runs) {
		end = c.runs[next].record
	}
	var record uint64
	if next > 0 {
		record = c.runs[next-1].record + number - c.runs[next-1].number
	}
	c.mu.Unlock()
	if record == 0 || record >= end {
		return nil, nil
	}
	m := new(keyholderv1.Adopted)
	return m, get(c.log, record, m)
}

// append keeps a certificate of a number above the last.
func (c *certificates) append(m *keyholderv1.Adopted) error {
	number, record := m.GetCertificate().GetNumber(), c.log.Next()
	if last := c.last(); number <= last {
		return fmt.Errorf("%w: certificate of number %d after %d", ErrStorage, number, last)
	}
	if err := put(c.log, record, m); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(run{number, record})
	return nil
}
